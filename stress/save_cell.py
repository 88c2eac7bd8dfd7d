"""Saves the tables and the record of a cell after its run."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import polars as pl
import psutil

from records.audit import AttachedProcess
from records.build_tables import build_observed_table, read_journals
from records.cell import CellRecord, Profile, UpstreamSummary, WorkerDeath
from records.files import write_whole
from records.journal import Journal
from records.pauses import find_pauses
from records.rows import BYSTANDER, MACHINE
from records.rundir import RECORD, encode_record
from stress.attached_server import list_live_journals
from stress.audit.reports import read_reports
from stress.bystander import BackgroundPing
from stress.explain import ExplainedCell
from stress.interruption import Interruption
from stress.load.oha import read_oha_errors, remove_oha_rows
from stress.logged_reasons import add_logged_reasons
from stress.phases import PhaseRunner
from stress.places import ROOT
from stress.resource_monitor import MachineRow, is_alive
from stress.save_tables import read_raw_cell, save_tables
from stress.stack import Stack

BEGUN_FILE = "begun.json"
KILLED = "the study itself was killed"
BY_ITSELF = "ended by itself"
FLUSH_WITHIN_S = 3.0
"""Generous: the probe flushes four times per second, unless the server starves it."""


@dataclass(slots=True)
class CellObservations:
    """Observations of a cell apart from the files of its processes. Times are absolute. begun_s:
    before the first process started."""

    phases: PhaseRunner
    end_s: float
    pings: Sequence[BackgroundPing]
    machine: Sequence[MachineRow]
    interrupted: str | None
    upstream: UpstreamSummary | None
    profile: Profile | None
    explained: ExplainedCell | None = None
    started_utc: str = ""
    begun_s: float = 0.0
    descriptors_limit: int = 0


def save_results(seen: CellObservations) -> None:
    phases, stack, directory = seen.phases, seen.phases.stack, seen.phases.cell.directory
    if stack.folder != directory.raw:
        wait_for_flush(stack, seen.end_s)
        shutil.copytree(stack.journals, directory.raw / "journals")  # the originals still grow
        for path in (*stack.folder.glob("*.log"), stack.upstream_log):
            if path.exists():
                shutil.copy(path, directory.raw)
    t0_s = phases.times.t0_s
    raw = read_raw_cell(stack.journals, directory.raw)
    machine = build_observed_table(seen.machine, MACHINE, t0_s)
    pings = build_observed_table([astuple(each) for each in seen.pings], BYSTANDER, t0_s)
    logs = {*stack.folder.glob("*.log"), phases.load.log}
    record = replace(
        add_logged_reasons(build_record(seen), logs, stack.log_lengths),
        threads_left=count_threads_before(raw.worked, t0_s) if stack.attached else 0,
        # An attached server's lost journals may belong to an earlier cell.
        journals_lost=() if stack.attached else raw.lost,
        processes=list_attached_processes(stack.journals),
        clocks=raw.clocks,
        faults=read_oha_errors(directory.raw),
        pauses=find_pauses([] if raw.clocks else raw.sent, machine, t0_s),
        overhead_s=monotonic() - seen.begun_s - (phases.times.build_phases().drain_end_s or 0.0),
    )
    save_tables(directory, record, raw, {"machine": machine, "bystander": pings}, seen.end_s)
    for level, stacks in (seen.explained.stacks if seen.explained else {}).items():
        directory.save_stacks(level, stacks)
    directory.save_record(record)
    remove_oha_rows(directory.raw)


def save_begun_record(phases: PhaseRunner) -> None:
    """Save what is known when the window opens, in case the study is killed."""
    seen = CellObservations(phases, monotonic(), (), (), KILLED, None, None)
    seen.started_utc = datetime.now(UTC).isoformat()
    begun = replace(build_record(seen), processes=list_attached_processes(phases.stack.journals))
    write_whole(phases.cell.directory.raw / BEGUN_FILE, encode_record(RECORD, begun))


def build_record(seen: CellObservations) -> CellRecord:
    """Build the part of the record that needs no journals and logs."""
    phases, cell, stack = seen.phases, seen.phases.cell, seen.phases.stack
    return CellRecord(
        name=cell.directory.path.name,
        scenario=cell.scenario,
        trial=cell.trial,
        cell_number=cell.number,
        t0_s=phases.times.t0_s,
        started_utc=seen.started_utc,
        phases=phases.times.build_phases(),
        cycles_planned=cell.windows.cycles,
        warm_up_limit_s=cell.windows.warm_up_limit_s,
        turn_s=cell.windows.turn_s,
        drain_limit_s=cell.windows.drain_s,
        deaths=tuple(list_deaths(phases)),
        users_spawned=phases.progress.users,
        requests_sent=phases.progress.sent,
        descriptors_limit=seen.descriptors_limit,
        load_timeout_s=cell.windows.load_timeout_s,
        commands=list_commands(phases),
        upstream=seen.upstream,
        profile=seen.profile,
        cpu_profile=seen.explained.profile if seen.explained else None,
        cores=psutil.cpu_count(),
        database=stack.database.version if stack.database else None,
        load_processes_lost=phases.progress.lost,
        interrupted=seen.interrupted,
    )


def wait_for_flush(stack: Stack, end_s: float) -> None:
    """Wait for the next flush of an attached server, which keeps running. A live worker's journal
    is complete when it has a sample from after the load's end."""

    def is_flushed() -> bool:
        live, _ = read_journals(list_live_journals(stack))
        return all((journal.tables["s"]["at_s"] >= end_s).any() for journal in live)

    Interruption().poll(is_flushed, FLUSH_WITHIN_S)


def count_threads_before(journals: Sequence[Journal], t0_s: float) -> int:
    """Count the pool and executor threads of all live workers at t0. anyio stops idle threads only
    when a call needs a thread."""
    total = 0
    for journal in journals:
        last = journal.tables["s"].filter(pl.col("at_s") < t0_s).tail(1)
        if last.height and is_alive(journal.about["pid"]):
            total += int((last["threads_anyio_worker"] + last["threads_executor"])[0])
    return total


def list_deaths(phases: PhaseRunner) -> list[WorkerDeath]:
    """Return the deaths since t0; the server's log may have another cause."""
    return [
        WorkerDeath(each.at_s - phases.times.t0_s, each.pid, BY_ITSELF)
        for each in phases.workers.deaths
    ]


def list_commands(phases: PhaseRunner) -> dict[str, list[str]]:
    """Return the commands without paths of this machine."""
    folder = str(phases.cell.directory.path)
    commands = {**phases.stack.list_commands(), phases.load.role: list(phases.load.argv)}
    return {role: strip_paths(argv, folder) for role, argv in commands.items()}


def list_attached_processes(journals: Path) -> tuple[AttachedProcess, ...]:
    """Return the probe's reports of the server processes, without the path of this Python."""
    found = (each.build_record() for each in read_reports(journals))
    return tuple(
        replace(each, executable=each.executable.replace(f"{sys.prefix}/", "/")) for each in found
    )


def strip_paths(argv: Sequence[str], folder: str) -> list[str]:
    """Reduce the program to its name, and make file names relative."""
    program, *options = argv
    for path, name in ((folder, "CELL"), (f"{ROOT}/", ""), (f"{sys.prefix}/", "")):
        options = [word.replace(path, name) for word in options]
    return [Path(program).name, *options]
