"""Runs a user's locustfile as the load of an audit, in a headless Locust process."""

import json
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from records.audit import APP_ENDED, Phase
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.units import Second
from stress.audit.ask import RequestPlan
from stress.audit.driven import AuditLoad, Driven, Row, Show, build_asked_table
from stress.audit.routes import find_route
from stress.interruption import CellInterruptedError, Interruption
from stress.plan import Command
from stress.processes import Process, describe_exit_code

PLUGIN = Path(__file__).with_name("locust_plugin.py")
ROWS_VARIABLE = "STUDY_AUDIT_ROWS"
PHASE = "locustfile"
GRACE_S: Second = 60.0
"""Time for Locust to start and to stop its users."""
END_S: Second = 10.0


def find_locustfile(given: Path | None, folder: Path) -> Path:
    """Return the locustfile's path. Raises UserError."""
    path = (folder / (given or "locustfile.py")).resolve()
    if not path.is_file():
        raise UserError(f"--drive locustfile: {path.name} not found; give yours with --locustfile")
    return path


def build_locust_command(url: str, locustfile: Path, load: AuditLoad, rows: Path) -> Command:
    argv = (
        sys.executable, "-m", "locust", f"--locustfile={locustfile},{PLUGIN}", "--headless",
        f"--host={url}", f"--users={load.users}", f"--spawn-rate={load.users}",
        f"--run-time={math.ceil(load.duration_s)}s", "--stop-timeout=5", "--only-summary",
        "--loglevel=WARNING", "--exit-code-on-error=0",
        "--processes=0",  # several would give their requests the same ids
    )  # fmt: skip
    environment = {ROWS_VARIABLE: str(rows)}
    return Command("locustfile", argv, locustfile.parent, environment, inherits_all=True)


def drive_locustfile(
    url: str,
    plan: RequestPlan,
    load: AuditLoad,
    interruption: Interruption,
    show: Show,
    is_alive: Callable[[], bool],
) -> Driven:
    """Run the locustfile. Return the measurements even if the load is interrupted or the app ends.
    Raises UserError."""
    assert plan.locustfile is not None
    show(f"Locust runs {plan.locustfile.name} for {math.ceil(load.duration_s)} s.")
    with tempfile.TemporaryDirectory(prefix="study-audit-") as folder:
        rows_file = Path(folder) / "rows.jsonl"
        process = Process("locustfile", Path(folder) / "locust.log")
        command = build_locust_command(url, plan.locustfile, load, rows_file)
        started_s = monotonic() - load.t0_s
        interrupted = run_locust(process, command, load, interruption, is_alive)
        ended_s = monotonic() - load.t0_s
        rows = read_rows(rows_file, plan, load.t0_s)
        if not rows and is_alive() and interruption.reason is None:
            raise build_cannot_run_error(
                f"{plan.locustfile.name} sent no HTTP request: {process.read_last_words()}"
            )
    began_s = min((started_s for *_, started_s, _, _, _, _ in rows), default=ended_s)
    phase = Phase(PHASE, began_s, ended_s, load.users)
    warnings = (
        ()
        if interrupted
        else describe_own_end(ended_s - started_s, ended_s - began_s, load.duration_s)
    )
    return Driven(build_asked_table(rows), (phase,), warnings, interrupted)


def run_locust(
    process: Process,
    command: Command,
    load: AuditLoad,
    interruption: Interruption,
    is_alive: Callable[[], bool],
) -> str | None:
    """Run Locust, and return why it was cut short; None if it was not, or if it ended in order, as
    a LoadTestShape that is over."""
    until_s = monotonic() + load.duration_s
    limit_s = load.duration_s + load.timeout_s + GRACE_S
    try:
        process.start(command)
        interruption.poll(lambda: process.get_exit_code() is not None or not is_alive(), limit_s)
        code = process.get_exit_code() if monotonic() < until_s else None
    except CellInterruptedError as error:
        return str(error)
    finally:
        process.end(END_S)
    if not is_alive():
        return APP_ENDED
    return f"Locust ended early ({describe_exit_code(code)})" if code else None


def describe_own_end(ran_s: Second, sent_s: Second, duration_s: Second) -> tuple[str, ...]:
    """ran_s: with its start. sent_s: from its first request on."""
    if ran_s >= duration_s:
        return ()
    return (
        f"The locustfile ended its load after {sent_s:.1f} s, before the {duration_s:g} s of "
        "--duration; the figures cover that time.",
    )


def read_rows(file: Path, plan: RequestPlan, t0_s: float) -> list[Row]:
    """Read the rows; drop a torn last line, which SIGKILL leaves."""
    rows: list[Row] = []
    if not file.exists():
        return rows
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            user, request_id, method, name, began_s, ended_s, status, error, size = json.loads(line)
            route = find_route(method, name, plan.templates)
            ended_s = None if ended_s is None else ended_s - t0_s
            rows.append(
                (
                    PHASE, user, request_id, method, route, began_s - t0_s, ended_s, status, error,
                    size,
                )
            )  # fmt: skip
    return rows
