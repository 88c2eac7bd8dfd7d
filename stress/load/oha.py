"""oha, a load generator for rates that Locust cannot reach: one run to warm up, one for the window.

oha reports the start and duration of each answered request and counts the unanswered ones. It sends
no request ids, so its requests cannot be matched with the app's records.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from time import monotonic

import polars as pl

from records.rows import REQUESTS, conform_to_schema
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import Engine, Scenario
from scenarios.units import Second
from stress.interruption import CellInterruptedError
from stress.phases import PhaseRunner
from stress.plan import Command, plan_windows
from stress.processes import describe_exit_code

WARMING, MEASURED = "warm-up", "window"
WARM_UP_S = 1.0
ENDS_WITHIN_S = 60.0
"""oha ends when its last request is answered; on a slow server, this takes as long as its queue.
Then it stores its rows, some 50,000 per second, and must store more within each such time."""
ROWS_FILE = "oha.sqlite"
TOTALS_FILE = "oha.json"
ROW_TYPES = {"start": pl.Float64(), "end": pl.Float64(), "status": pl.Int64(), "bytes": pl.Int64()}
ROWS_AT_ONCE = 200_000


def check_engine_installed(engine: Engine) -> None:
    """Raise UserError, with the install command, if the engine is missing."""
    if engine != "locust" and shutil.which(engine) is None:
        raise build_cannot_run_error(
            f"{engine} is not on the PATH; install it (cargo install {engine}), or omit --engine"
        )


def build_oha_command(
    scenario: Scenario, base_url: str, folder: Path, name: str, lasting_s: Second
) -> Command:
    """Build oha's command. name: WARMING or MEASURED, in the output file names. The timeout exceeds
    the cell, so oha never gives up a request."""
    load, endpoint = scenario.load, scenario.endpoint
    argv = (
        "oha", "--no-tui", "--redirect", "0", "--worker-threads", str(load.processes),
        "--output-format", "json", "--output", str(folder / f"{name}-{TOTALS_FILE}"),
        *(("--db-url", str(folder / f"{name}-{ROWS_FILE}")) if name == MEASURED else ()),
        "-z", f"{lasting_s:g}s", "--wait-ongoing-requests-after-deadline",
        "-c", str(load.users),
        "-t", f"{plan_windows(scenario).load_timeout_s:.0f}s",
        "-m", endpoint.method,
        *(() if endpoint.body is None else ("-d", endpoint.body, "-T", "application/json")),
        *(() if load.keep_alive else ("--disable-keepalive",)),
        base_url + endpoint.path,
    )  # fmt: skip
    return Command("load", argv, folder, {}, SIGINT)


@dataclass(slots=True)
class OhaPhaseRunner(PhaseRunner):
    """No ramp: oha starts with all its users at once."""

    def run_phases(self) -> None:
        """Run warm-up and window. Raises CellInterruptedError."""
        self._run_for(WARMING, WARM_UP_S + 3 * (self.scenario.delay_s or 0.0))
        self._check_end(self._await_end())
        self.times.ramp_end_s = monotonic()
        begun_s = self._open_window()
        self._run_for(MEASURED, self.windows.window_s)
        self.times.window_end_s = min(begun_s + self.windows.window_s, monotonic())
        has_ended = self._await_end()
        self.times.drain_end_s = monotonic()
        self._check_end(has_ended)

    def _run_for(self, phase: str, lasting_s: Second) -> None:
        base_url = self.scenario.url or f"http://{self.stack.host}:{self.stack.port}"
        raw = self.cell.directory.raw
        self.load.start(build_oha_command(self.scenario, base_url, raw, phase, lasting_s))
        self._wait_until(phase, self._has_load_ended, lasting_s)

    def _await_end(self) -> bool:
        limit_s, before, stored = self.windows.drain_s + ENDS_WITHIN_S, -1, 0
        while stored > before:
            if self._wait_until("drain", self._has_load_ended, limit_s):
                return True
            before, stored = stored, measure_stored_rows(self.cell.directory.raw)
        return False

    def _check_end(self, has_ended: bool) -> None:
        if not has_ended:
            raise CellInterruptedError(
                f"oha still waits for responses {ENDS_WITHIN_S:.0f} s after its time, and reports "
                "nothing before it ends; use --engine locust here"
            )
        if code := self.load.get_exit_code():
            how = describe_exit_code(code)
            raise CellInterruptedError(f"the load ended ({how}): {self.load.read_last_words()}")

    def _describe_load_failure(self) -> str | None:
        """Return None: oha is expected to end."""
        return None


def measure_stored_rows(folder: Path) -> int:
    """Return the bytes of the window's rows so far; 0 before oha stores any."""
    path = locate_oha_rows(folder)
    return path.stat().st_size if path.exists() else 0


def locate_oha_rows(folder: Path) -> Path:
    return folder / f"{MEASURED}-{ROWS_FILE}"


def remove_oha_rows(folder: Path) -> None:
    """Call once the cell is saved: the file is several times larger than the table."""
    locate_oha_rows(folder).unlink(missing_ok=True)


def read_oha_rows(path: Path, cell: str, begun_s: Second) -> pl.DataFrame:
    """Return REQUESTS rows of all answered requests, without users and ids; none if oha wrote
    nothing. begun_s: oha's start since t0; oha's own clock starts a few milliseconds later."""
    if not path.exists():
        return pl.DataFrame(schema=REQUESTS)
    parts = [pl.DataFrame(schema=ROW_TYPES)]
    try:
        with closing(sqlite3.connect(path)) as connection:
            parts += read_parts(connection)
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path}: {error}") from error
    frame = pl.concat(parts)
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


def read_parts(connection: sqlite3.Connection) -> Iterator[pl.DataFrame]:
    """A killed oha leaves a file without its table."""
    if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'oha'").fetchall():
        return
    asked = connection.execute('SELECT start, "end", status, len_bytes FROM oha')
    for rows in iter(lambda: asked.fetchmany(ROWS_AT_ONCE), []):
        yield pl.DataFrame(rows, ROW_TYPES, orient="row")


def read_oha_errors(folder: Path) -> dict[str, int]:
    """Return the counts of unanswered requests in the window, by oha's message; none if oha was
    killed before it wrote them. oha does not report their times."""
    path = folder / f"{MEASURED}-{TOTALS_FILE}"
    try:
        counts = json.loads(path.read_text("utf-8"))["errorDistribution"]
    except (FileNotFoundError, ValueError):
        return {}
    return {str(error): int(count) for error, count in counts.items()}
