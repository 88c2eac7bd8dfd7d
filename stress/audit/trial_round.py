"""Runs a round of a trial: starts the service again and drives all its routes together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

import polars as pl

from records.audit import AttachedProcess
from scenarios.errors import build_cannot_run_error
from scenarios.units import Second
from stress.audit.ask import RequestPlan
from stress.audit.attach import start_audited_app
from stress.audit.audited_app import AuditedApp
from stress.audit.command import AuditedCommand
from stress.audit.drive import AuditLoad, Driven, drive_requests
from stress.audit.load_driver import BEFORE_PHASE, FIRST_PHASE
from stress.audit.reports import TrialReport, read_trial
from stress.interruption import Interruption

LEAST_ROUND_S, MOST_ROUND_S = 3.0, 5.0
"""Limits of a round's load. With starts and stops of the service, six rounds take a minute."""
END_S = 1.0
"""Time for the service to end after the probe's last write."""
LEADS = (FIRST_PHASE, BEFORE_PHASE)


@dataclass(frozen=True, slots=True)
class RoundLoad:
    """Settings that all rounds of a trial share. port: the audit's."""

    plan: RequestPlan
    load: AuditLoad
    port: int | None
    interruption: Interruption


@dataclass(frozen=True, slots=True)
class FinishedRound:
    """rows: of records.audit.ASKED, of the phase with all routes. began_s, ended_s: of the first
    request and of the last send, in seconds since the audit's t0. workers: those that served.
    report: of a change that the probe applies."""

    rows: pl.DataFrame
    began_s: Second
    ended_s: Second
    workers: tuple[AttachedProcess, ...]
    report: TrialReport
    memory_mb: float | None


def build_round_load(
    plan: RequestPlan, driven: Driven, load: AuditLoad, port: int | None, interruption: Interruption
) -> RoundLoad:
    """Repeat the requests that the audit drove; those that fail now count as failures."""
    asks = tuple(replace(each, origin="option") for each in driven.asks)
    length_s = min(max(load.duration_s, LEAST_ROUND_S), MOST_ROUND_S)
    return RoundLoad(
        replace(plan, asks=asks),
        replace(load, duration_s=length_s, only_together=True),
        port,
        interruption,
    )


def run_round(command: AuditedCommand, raw: Path, order: RoundLoad) -> FinishedRound:
    """Run a round. Delete `raw` afterwards, since the output may contain a secret. Raises UserError
    if the service does not start, CellInterruptedError on an interruption."""
    try:
        with start_audited_app(command, raw, order.interruption, order.port) as app:
            driven = drive_requests(
                app.url, order.plan, order.load, order.interruption, ignore, watch(app)
            )
            order.interruption.check()
            if driven.interrupted is not None:
                raise build_cannot_run_error(f"in a round, {driven.interrupted}")
            workers, report = tuple(app.list_workers()), read_trial(app.raw)
            memory_mb = app.measure_memory_mb()
    finally:
        rmtree(raw, ignore_errors=True)
    phase = driven.phases[-1]
    ended_s = min(phase.ended_s, phase.began_s + order.load.duration_s)
    rows = driven.rows.filter(pl.col("phase") == phase.name)
    return FinishedRound(rows, phase.began_s, ended_s, workers, report, memory_mb)


def estimate_round_s(driven: Driven, load: AuditLoad, order: RoundLoad) -> Second:
    """Estimate a round without the service's start, from the audit's first requests and its wait
    for the last responses."""
    *earlier, last = driven.phases
    lead_s = sum(each.ended_s - each.began_s for each in earlier if each.name in LEADS)
    late_s = max(0.0, last.ended_s - last.began_s - load.duration_s)
    return lead_s + order.load.duration_s + late_s + END_S


def watch(app: AuditedApp) -> Callable[[], bool]:
    return lambda: app.process.get_exit_code() is None


def ignore(_: str) -> None:
    """Ignore a round's progress; the trial shows its own line."""
