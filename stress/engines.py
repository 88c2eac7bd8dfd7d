"""oha, which makes load where Locust is the limit: how it is asked, and what it tells.

Of each request that was answered it tells when it began and how long it took, and it counts the
others. It sends none of our request ids, so nothing can be matched with what the app saw.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from signal import SIGINT

import polars as pl

from records.rows import REQUESTS, conform_to_schema
from scenarios.errors import build_cannot_run_error
from scenarios.model import Engine, Scenario
from scenarios.units import Second
from stress.plan import Command, plan_windows

WARMING, MEASURED = "warm-up", "window"
OHA_ROWS = "oha.sqlite"
OHA_TOTALS = "oha.json"
OHA_SCHEMA = {"start": pl.Float64(), "end": pl.Float64(), "status": pl.Int64(), "bytes": pl.Int64()}
ROWS_AT_ONCE = 200_000


def check_engine_installed(engine: Engine) -> None:
    """Raises UserError that says how to get it."""
    if engine != "locust" and shutil.which(engine) is None:
        raise build_cannot_run_error(
            f"no {engine} on the PATH: install it (cargo install {engine}), or leave --engine out"
        )


def build_engine_command(
    scenario: Scenario, base_url: str, folder: Path, name: str, lasting_s: Second
) -> Command:
    """`name` tells the warm-up's files from the window's."""
    argv = build_oha_argv(scenario, base_url + scenario.endpoint.path, folder, name, lasting_s)
    return Command("load", argv, folder, {}, SIGINT)


def build_oha_argv(
    scenario: Scenario, url: str, folder: Path, name: str, lasting_s: Second
) -> tuple[str, ...]:
    load, endpoint = scenario.load, scenario.endpoint
    body = () if endpoint.body is None else ("-d", endpoint.body, "-T", "application/json")
    return (
        "oha", "--no-tui", "--redirect", "0", "--worker-threads", str(load.processes),
        "--output-format", "json", "--output", str(folder / f"{name}-{OHA_TOTALS}"),
        *(("--db-url", str(folder / f"{name}-{OHA_ROWS}")) if name == MEASURED else ()),
        "-z", f"{lasting_s:g}s", "--wait-ongoing-requests-after-deadline",
        "-c", str(load.users),
        "-t", f"{compute_longest_s(scenario):.0f}s",
        "-m", endpoint.method,
        *body,
        *(() if load.keep_alive else ("--disable-keepalive",)),
        url,
    )  # fmt: skip


def compute_longest_s(scenario: Scenario) -> Second:
    """No request is given up by the load: it outlasts the cell."""
    return plan_windows(scenario).longest_s + 60.0


def read_oha_rows(path: Path, cell: str, begun_s: Second) -> pl.DataFrame:
    """REQUESTS without users and ids, of all that got an answer. `begun_s`: when oha began, since
    t0; its own clock starts some milliseconds later. Empty where it wrote nothing."""
    if not path.exists():
        return pl.DataFrame(schema=REQUESTS)
    with closing(sqlite3.connect(path)) as connection:
        asked = connection.execute('SELECT start, "end", status, len_bytes FROM oha')
        parts = [
            pl.DataFrame(rows, OHA_SCHEMA, orient="row")
            for rows in iter(lambda: asked.fetchmany(ROWS_AT_ONCE), [])
        ]
    frame = pl.concat([pl.DataFrame(schema=OHA_SCHEMA), *parts])
    status = pl.col("status").cast(pl.UInt16)
    good = status.is_between(200, 299)
    rows = frame.select(
        cell=pl.lit(cell),
        process=pl.lit(0),
        started_s=pl.col("start") + begun_s,
        ended_s=pl.col("end") + begun_s,
        status=status,
        error=pl.when(good).then(None).otherwise(pl.concat_str(pl.lit("HTTP "), "status")),
        bytes=pl.col("bytes"),
    )
    return conform_to_schema(rows.sort("started_s"), REQUESTS)


def read_oha_errors(path: Path) -> dict[str, int]:
    """Requests without an answer, by its own words; it does not tell when they were."""
    if not path.exists():
        return {}
    told = json.loads(path.read_text())["errorDistribution"]
    return {str(error): int(count) for error, count in told.items()}
