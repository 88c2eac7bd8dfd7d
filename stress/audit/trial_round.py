"""A round of a trial: the service is started anew, and all its routes are asked together."""

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
"""Of one load. With the start and the end of a service, six rounds take about a minute."""
END_S = 1.0
"""Of a service, once the probe has written what it saw."""
LEADS = (FIRST_PHASE, BEFORE_PHASE)


@dataclass(frozen=True, slots=True)
class RoundLoad:
    """What every round of a trial has in common. port: as the audit has it."""

    plan: RequestPlan
    load: AuditLoad
    port: int | None
    interruption: Interruption


@dataclass(frozen=True, slots=True)
class FinishedRound:
    """rows: of records.audit.ASKED, while all routes were asked. Times are seconds since the
    audit's t0: from the first request until users sent no more. workers: that served. report: of
    the change that the probe makes."""

    rows: pl.DataFrame
    began_s: Second
    ended_s: Second
    workers: tuple[AttachedProcess, ...]
    report: TrialReport
    memory_mb: float | None


def build_round_load(
    plan: RequestPlan, driven: Driven, load: AuditLoad, port: int | None, interruption: Interruption
) -> RoundLoad:
    """The requests that the audit drove, however they answer now: a failure counts."""
    asks = tuple(replace(each, origin="option") for each in driven.asks)
    length_s = min(max(load.duration_s, LEAST_ROUND_S), MOST_ROUND_S)
    return RoundLoad(
        replace(plan, asks=asks),
        replace(load, duration_s=length_s, only_together=True),
        port,
        interruption,
    )


def run_round(command: AuditedCommand, raw: Path, order: RoundLoad) -> FinishedRound:
    """What the probe and the service write to `raw` is dropped: it may say a secret. Raises
    UserError where the service does not start, CellInterruptedError where it is cut short."""
    try:
        with start_audited_app(command, raw, order.interruption, order.port) as app:
            driven = drive_requests(
                app.url, order.plan, order.load, order.interruption, ignore, watch(app)
            )
            order.interruption.check()
            if driven.interrupted is not None:
                raise build_cannot_run_error(f"your service, in a round: {driven.interrupted}")
            workers, report = tuple(app.list_workers()), read_trial(raw)
            memory_mb = app.measure_memory_mb()
    finally:
        rmtree(raw, ignore_errors=True)
    phase = driven.phases[-1]
    ended_s = min(phase.ended_s, phase.began_s + order.load.duration_s)
    rows = driven.rows.filter(pl.col("phase") == phase.name)
    return FinishedRound(rows, phase.began_s, ended_s, workers, report, memory_mb)


def estimate_round_s(driven: Driven, load: AuditLoad, order: RoundLoad) -> Second:
    """Without the start of the service: by the audit's load, what its first requests took and how
    long its last phase waited for the last answers."""
    *earlier, last = driven.phases
    lead_s = sum(each.ended_s - each.began_s for each in earlier if each.name in LEADS)
    late_s = max(0.0, last.ended_s - last.began_s - load.duration_s)
    return lead_s + order.load.duration_s + late_s + END_S


def watch(app: AuditedApp) -> Callable[[], bool]:
    return lambda: app.process.get_exit_code() is None


def ignore(_: str) -> None:
    """A round's progress is a line of the trial's."""
