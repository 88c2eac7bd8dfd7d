"""From a cell that has just run to its files."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

import polars as pl
import psutil

from records.build_tables import (
    build_bystander_table,
    build_handlers_table,
    build_machine_table,
    build_probe_table,
    build_requests_table,
    build_upstream_table,
    build_usage_table,
    read_journals,
)
from records.cell import CellRecord, Phases, Profile, UpstreamSummary, WorkerDeath, save_cell
from records.clocks import estimate_clocks
from records.journal import Journal
from records.rundir import CellDir
from scenarios.model import Scenario
from stress import plan
from stress.bystander import BackgroundPing
from stress.engines import (
    MEASURED,
    OHA_ROWS,
    OHA_TOTALS,
    read_oha_errors,
    read_oha_rows,
)
from stress.protocol import LoadProgress, read_clocks
from stress.resource_monitor import MachineRow, is_alive, parse_pid
from stress.stack import ROOT, Stack

_TIMED_OUT = re.compile(r"WORKER TIMEOUT \(pid:\s*(\d+)\)")
_DESCRIPTORS = re.compile(r".*(?:Too many open files|EMFILE).*", re.IGNORECASE)
MOST_FAULTS = 5
FLUSH_WITHIN_S = 3.0
"""The probe flushes four times a second; a server that starves it this long is ill."""


@dataclass(slots=True)
class CellObservations:
    """What driving a cell yields beside the files that the processes write. Times absolute,
    but for the phases."""

    cell_number: int
    t0_s: float
    end_s: float
    phases: Phases
    deaths: Sequence[WorkerDeath]
    progress: LoadProgress
    pings: Sequence[BackgroundPing]
    machine: Sequence[MachineRow]
    commands: dict[str, list[str]]
    interrupted: str | None
    upstream: UpstreamSummary | None = None
    descriptors_limit: int = 0
    profile: Profile | None = None


def save_results(
    scenario: Scenario,
    trial: int,
    cell: CellDir,
    stack: Stack,
    seen: CellObservations,
    started_utc: str,
    begun_s: float,
) -> None:
    name = cell.path.name
    if stack.folder != cell.raw:
        wait_for_flush(stack, seen.end_s)
        copy_journals(stack, cell)
    sent, _ = read_journals(sorted(cell.raw.glob("load-*.journal")))
    found = estimate_clocks(read_clocks(cell.raw))
    by_process = {clock.process: clock for clock in found}
    worked, lost = read_journals(sorted(stack.journals.glob("probe-*.journal")))
    lost = () if stack.attached else lost  # a held-up server's may be of any earlier cell
    pings = [(p.request_id, p.intended_s, p.ended_s, p.status, p.error) for p in seen.pings]
    cell.save_table(
        "requests",
        build_requests_table(name, sent, seen.t0_s, by_process)
        if scenario.load.engine == "locust"
        else read_engine_rows(cell, seen),
    )
    cell.save_table("handlers", build_handlers_table(worked, seen.t0_s, seen.end_s))
    cell.save_table("probe", build_probe_table(worked, seen.t0_s, seen.end_s))
    machine = build_machine_table(seen.machine, seen.t0_s)
    if found:  # load processes on other machines: nobody here sees what they use
        machine = pl.concat([machine, build_usage_table(sent, seen.t0_s, by_process)]).sort("at_s")
    cell.save_table("machine", machine)
    cell.save_table("bystander", build_bystander_table(pings, seen.t0_s))
    cell.save_table("upstream", build_upstream_table(stack.upstream_log, seen.t0_s, seen.end_s))
    windows = plan.plan_windows(scenario)
    log_text = stack.read_logs() + (cell.raw / "load.log").read_text(errors="replace")
    measured_s = seen.phases.drain_end_s or 0.0
    record = CellRecord(
        name=name,
        scenario=scenario,
        trial=trial,
        cell_number=seen.cell_number,
        t0_s=seen.t0_s,
        started_utc=started_utc,
        phases=seen.phases,
        cycles_planned=windows.cycles,
        warm_up_limit_s=windows.warm_up_limit_s,
        drain_limit_s=windows.drain_s,
        deaths=tuple(explain_deaths(seen, log_text)),
        users_spawned=seen.progress.users,
        requests_sent=seen.progress.sent,
        descriptors_limit=seen.descriptors_limit,
        load_timeout_s=windows.longest_s + 60.0,
        commands={role: strip_local_paths(argv, cell.path) for role, argv in seen.commands.items()},
        overhead_s=monotonic() - begun_s - measured_s,
        threads_left=count_threads_before(worked, seen.t0_s) if stack.attached else 0,
        journals_lost=lost,
        upstream=seen.upstream,
        profile=seen.profile,
        cores=psutil.cpu_count(),
        faults=read_oha_errors(cell.raw / f"{MEASURED}-{OHA_TOTALS}"),
        database=stack.database.version if stack.database else None,
        clocks=found,
        load_processes_lost=seen.progress.lost,
        interrupted=seen.interrupted,
        log_faults=tuple(_DESCRIPTORS.findall(log_text)[:MOST_FAULTS]),
    )
    save_cell(cell.record_file, record)


def read_engine_rows(cell: CellDir, seen: CellObservations) -> pl.DataFrame:
    """Of the window's run; its rows count from the window's start."""
    begun_s = seen.phases.window_start_s or 0.0
    told = cell.raw / f"{MEASURED}-{OHA_ROWS}"
    rows = read_oha_rows(told, cell.path.name, begun_s)
    told.unlink(missing_ok=True)  # several times as large as the table
    return rows


def wait_for_flush(stack: Stack, end_s: float) -> None:
    """A held-up server is not ended, so its last rows come with its next flush: a journal that
    holds a sample from after the load's end has them all. A dead worker's never will."""
    deadline_s = monotonic() + FLUSH_WITHIN_S
    while monotonic() < deadline_s:
        alive = [
            path for path in stack.journals.glob("probe-*.journal") if is_alive(parse_pid(path))
        ]
        journals, _ = read_journals(alive)
        if all((journal.tables["s"]["at_s"] >= end_s).any() for journal in journals):
            return
        sleep(0.05)


def copy_journals(stack: Stack, cell: CellDir) -> None:
    """A held-up stack writes in a folder of its own, and goes on writing."""
    shutil.copytree(stack.journals, cell.raw / "journals")
    for path in (*stack.folder.glob("*.log"), stack.upstream_log):
        if path.exists():
            shutil.copy(path, cell.raw)


def count_threads_before(journals: Sequence[Journal], t0_s: float) -> int:
    """Threads of pool and executor at t0, all live workers together: anyio ends its idle threads
    only when it is asked for another."""
    total = 0
    for journal in journals:
        last = journal.tables["s"].filter(pl.col("at_s") < t0_s).tail(1)
        if last.height and is_alive(journal.about["pid"]):
            total += int((last["threads_anyio_worker"] + last["threads_executor"])[0])
    return total


def explain_deaths(seen: CellObservations, log_text: str) -> list[WorkerDeath]:
    """Deaths since t0, with gunicorn's own reason where its log tells one."""
    killed = {int(pid) for pid in _TIMED_OUT.findall(log_text)}
    return [
        replace(
            death,
            at_s=death.at_s - seen.t0_s,
            cause="killed by gunicorn: its loop was silent too long"
            if death.pid in killed
            else "ended by itself",
        )
        for death in seen.deaths
    ]


def strip_local_paths(argv: Sequence[str], folder: Path) -> list[str]:
    """A command without the paths of this machine."""
    return [
        word.replace(str(folder), "CELL").replace(f"{ROOT}/.venv/bin/", "").replace(f"{ROOT}/", "")
        for word in argv
    ]
