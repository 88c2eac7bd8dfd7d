"""From a cell that has just run to its files."""

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
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
from records.cell import CellRecord, Phases, Profile, UpstreamSummary, WorkerDeath
from records.clocks import ClockModel, estimate_clocks
from records.journal import Journal
from records.rundir import CellDir
from stress.attached_server import read_live_journals
from stress.bystander import BackgroundPing
from stress.load.oha import read_oha_errors, take_oha_rows
from stress.load.protocol import LoadProgress, read_clocks
from stress.places import ROOT
from stress.resource_monitor import MachineRow, is_alive
from stress.runtime import CellRun
from stress.servers import find_adapter
from stress.stack import Stack

_DESCRIPTORS = re.compile(r".*(?:Too many open files|EMFILE).*", re.IGNORECASE)
MOST_FAULTS = 5
FLUSH_WITHIN_S = 3.0
"""The probe flushes four times a second; a server that starves it this long is ill."""


@dataclass(slots=True)
class CellObservations:
    """What driving a cell yields beyond the files that the processes write. Times absolute,
    but for the phases. begun_s: before anything was started."""

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
    started_utc: str = ""
    begun_s: float = 0.0
    descriptors_limit: int = 0
    profile: Profile | None = None


def save_results(cell: CellRun, stack: Stack, seen: CellObservations) -> None:
    directory = cell.directory
    if stack.folder != directory.raw:
        wait_for_flush(stack, seen.end_s)
        copy_journals(stack, directory)
    worked, lost = read_journals(sorted(stack.journals.glob("probe-*.journal")))
    clocks = estimate_clocks(read_clocks(directory.raw))
    save_tables(cell, stack, seen, worked, clocks)
    record = replace(
        build_record(cell, stack, seen),
        threads_left=count_threads_before(worked, seen.t0_s) if stack.attached else 0,
        # a held-up server's may be of any earlier cell
        journals_lost=() if stack.attached else lost,
        clocks=clocks,
        faults=read_oha_errors(directory.raw),
        overhead_s=monotonic() - seen.begun_s - (seen.phases.drain_end_s or 0.0),
    )
    directory.save_record(record)


def save_tables(
    cell: CellRun,
    stack: Stack,
    seen: CellObservations,
    worked: Sequence[Journal],
    clocks: Sequence[ClockModel],
) -> None:
    directory, name, t0_s = cell.directory, cell.directory.path.name, seen.t0_s
    sent, _ = read_journals(sorted(directory.raw.glob("load-*.journal")))
    by_process = {clock.process: clock for clock in clocks}
    pings = [astuple(each) for each in seen.pings]
    machine = build_machine_table(seen.machine, t0_s)
    if clocks:  # load processes on other machines: nobody here sees what they use
        machine = pl.concat([machine, build_usage_table(sent, t0_s, by_process)]).sort("at_s")
    tables = {
        "requests": build_requests_table(name, sent, t0_s, by_process)
        if cell.scenario.load.engine == "locust"
        else take_oha_rows(directory.raw, name, seen.phases.window_start_s or 0.0),
        "handlers": build_handlers_table(worked, t0_s, seen.end_s),
        "probe": build_probe_table(worked, t0_s, seen.end_s),
        "machine": machine,
        "bystander": build_bystander_table(pings, t0_s),
        "upstream": build_upstream_table(stack.upstream_log, t0_s, seen.end_s),
    }
    for which, table in tables.items():
        directory.save_table(which, table)


def build_record(cell: CellRun, stack: Stack, seen: CellObservations) -> CellRecord:
    """What is known without the journals."""
    path, raw = cell.directory.path, cell.directory.raw
    log_text = stack.read_logs() + (raw / "load.log").read_text(errors="replace")
    return CellRecord(
        name=path.name,
        scenario=cell.scenario,
        trial=cell.trial,
        cell_number=cell.number,
        t0_s=seen.t0_s,
        started_utc=seen.started_utc,
        phases=seen.phases,
        cycles_planned=cell.windows.cycles,
        warm_up_limit_s=cell.windows.warm_up_limit_s,
        drain_limit_s=cell.windows.drain_s,
        deaths=tuple(explain_deaths(cell.scenario.server.kind, seen, log_text)),
        users_spawned=seen.progress.users,
        requests_sent=seen.progress.sent,
        descriptors_limit=seen.descriptors_limit,
        load_timeout_s=cell.windows.load_timeout_s,
        commands={role: strip_local_paths(argv, path) for role, argv in seen.commands.items()},
        overhead_s=0.0,
        upstream=seen.upstream,
        profile=seen.profile,
        cores=psutil.cpu_count(),
        database=stack.database.version if stack.database else None,
        load_processes_lost=seen.progress.lost,
        interrupted=seen.interrupted,
        log_faults=tuple(_DESCRIPTORS.findall(log_text)[:MOST_FAULTS]),
    )


def wait_for_flush(stack: Stack, end_s: float) -> None:
    """A held-up server is not ended, so its last rows come with its next flush: a journal that
    holds a sample from after the load's end has them all. A dead worker's never will."""
    deadline_s = monotonic() + FLUSH_WITHIN_S
    while monotonic() < deadline_s:
        live = read_live_journals(stack)
        if all((journal.tables["s"]["at_s"] >= end_s).any() for journal in live):
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


def explain_deaths(kind: str, seen: CellObservations, log_text: str) -> list[WorkerDeath]:
    """Deaths since t0, with the server's own reason where its log tells one."""
    causes = find_adapter(kind).find_death_causes(log_text)
    return [
        WorkerDeath(each.at_s - seen.t0_s, each.pid, causes.get(each.pid, "ended by itself"))
        for each in seen.deaths
    ]


def strip_local_paths(argv: Sequence[str], folder: Path) -> list[str]:
    """A command without the paths of this machine: its program by name, files from their root."""
    program, *options = argv
    for path, name in ((f"{folder}", "CELL"), (f"{ROOT}/", ""), (f"{sys.prefix}/", "")):
        options = [word.replace(path, name) for word in options]
    return [Path(program).name, *options]
