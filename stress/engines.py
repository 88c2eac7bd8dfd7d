"""Other programs that make load, where Locust is the limit: how they are asked, and what they tell.

oha tells of each request that was answered when it began and how long it took, and counts the
others; wrk tells a histogram and totals.
Neither sends our request ids, so nothing can be matched with what the app saw.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from signal import SIGINT

import polars as pl

from records.cell import LoadTotals
from records.rows import REQUESTS, conform_to_schema
from scenarios.errors import build_cannot_run_error
from scenarios.model import Engine, Scenario
from scenarios.units import Second
from stress.plan import Command, plan_windows

WARMING, MEASURED = "warm-up", "window"
OHA_ROWS = "oha.sqlite"
OHA_TOTALS = "oha.json"
WRK_TOTALS = "wrk.json"
OHA_SCHEMA = {"start": pl.Float64(), "end": pl.Float64(), "status": pl.Int64(), "bytes": pl.Int64()}
ROWS_AT_ONCE = 200_000
HOW_TO_GET = {
    "oha": "install it (cargo install oha)",
    "wrk": "install it (your system's package wrk)",
}
WRK_SCRIPT = """
wrk.method = {method}
wrk.body = {body}
wrk.headers = {headers}
function done(summary, latency, requests)
  local file = io.open({out}, "w")
  local errors = summary.errors
  file:write('{{"requests": ', summary.requests, ', "lasting_us": ', summary.duration)
  for _, kind in ipairs({{"connect", "read", "write", "timeout", "status"}}) do
    file:write(', "', kind, '": ', errors[kind])
  end
  file:write(', "latencies_us": [')
  for place = 1, #latency do
    local value, count = latency(place)
    file:write(place > 1 and ', ' or '', '[', value, ', ', count, ']')
  end
  file:write(']}}')
  file:close()
end
"""


def check_engine_installed(engine: Engine) -> None:
    """Raises UserError that says how to get it."""
    if engine != "locust" and shutil.which(engine) is None:
        raise build_cannot_run_error(
            f"no {engine} on the PATH: {HOW_TO_GET[engine]}, or leave --engine out"
        )


def build_engine_command(
    scenario: Scenario, base_url: str, folder: Path, name: str, lasting_s: Second
) -> Command:
    """`name` tells the warm-up's files from the window's."""
    build = {"oha": build_oha_argv, "wrk": build_wrk_argv}[scenario.load.engine]
    argv = build(scenario, base_url + scenario.endpoint.path, folder, name, lasting_s)
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


def build_wrk_argv(
    scenario: Scenario, url: str, folder: Path, name: str, lasting_s: Second
) -> tuple[str, ...]:
    load, endpoint = scenario.load, scenario.endpoint
    headers = {} if endpoint.body is None else {"content-type": "application/json"}
    if not load.keep_alive:
        headers["connection"] = "close"
    script = folder / f"{name}.lua"
    script.write_text(
        WRK_SCRIPT.format(
            method=quote_lua_string(endpoint.method),
            body="nil" if endpoint.body is None else quote_lua_string(endpoint.body),
            headers="{"
            + ", ".join(
                f"[{quote_lua_string(k)}] = {quote_lua_string(v)}" for k, v in headers.items()
            )
            + "}",
            out=quote_lua_string(str(folder / f"{name}-{WRK_TOTALS}")),
        )
    )
    return (
        "wrk",
        "-t", str(load.processes),
        "-c", str(load.users),
        "-d", f"{max(1, round(lasting_s))}s",
        "--timeout", f"{compute_longest_s(scenario):.0f}s",
        "-s", str(script),
        url,
    )  # fmt: skip


def quote_lua_string(text: str) -> str:
    """A string of Lua's; every byte that is not plain is written as a number."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}"
             for byte in text.encode())  # fmt: skip
    return '"' + "".join(plain) + '"'


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


def read_wrk_totals(path: Path, users: int) -> LoadTotals | None:
    """None where it wrote nothing."""
    if not path.exists():
        return None
    told = json.loads(path.read_text())
    pairs = [(value, count) for value, count in told["latencies_us"]]
    measured = undo_wrk_correction(pairs, told["requests"], told["lasting_us"], users)
    return LoadTotals(
        completed=told["requests"],
        failed_statuses=told["status"],
        lasting_s=told["lasting_us"] / 1e6,
        faults={kind: told[kind] for kind in ("connect", "read", "write", "timeout")},
        latencies_us=measured,
    )


def undo_wrk_correction(
    told: Sequence[tuple[int, int]], completed: int, lasting_us: int, users: int
) -> tuple[tuple[int, int], ...]:
    """wrk adds to what it measured what it thinks it missed: for each latency beyond twice the mean
    time between a connection's requests one shorter by that time, and so on (`stats_correct`, after
    HdrHistogram). Here that is taken away again, from the longest down: those are as measured.
    Empty if then there are not as many as had completed.
    """
    counts = dict(told)
    turns = completed // users
    interval_us = lasting_us // turns if turns else 0
    if interval_us:
        for value in sorted(counts, reverse=True):
            added, shorter = counts[value], value - interval_us
            while value >= 2 * interval_us and shorter > interval_us:
                counts[shorter] = counts.get(shorter, 0) - added
                shorter -= interval_us
    found = tuple(sorted((value, count) for value, count in counts.items() if count))
    good = all(count > 0 for _, count in found) and sum(count for _, count in found) == completed
    return found if good else ()
