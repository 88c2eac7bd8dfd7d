"""From a cell that has just run to its files."""

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from time import monotonic

import polars as pl
import psutil

from records.audit import AttachedProcess
from records.build_probe_tables import PATH_COLUMNS, PROBE_TABLES
from records.build_tables import (
    build_observed_table,
    build_requests_table,
    build_upstream_table,
    build_usage_table,
    read_journals,
)
from records.cell import CellRecord, Profile, UpstreamSummary, WorkerDeath
from records.clocks import ClockModel, estimate_clocks
from records.journal import Journal
from records.pauses import find_pauses
from records.rows import BYSTANDER, MACHINE
from stress.attached_server import read_live_journals
from stress.audit.reports import read_reports
from stress.bystander import BackgroundPing
from stress.explain import ExplainedCell
from stress.interruption import Interruption
from stress.load.oha import read_oha_errors, take_oha_rows
from stress.load.protocol import read_clocks
from stress.phases import PhaseRunner
from stress.places import ROOT
from stress.resource_monitor import MachineRow, is_alive
from stress.servers import find_adapter
from stress.stack import Stack

_DESCRIPTORS = re.compile(r".*(?:Too many open files|EMFILE).*", re.IGNORECASE)
STUDY_TABLES = ("handlers", "probe", "blocks", "block_stacks", "thread_calls")
"""What the probe writes without an audit."""
MOST_FAULTS = 5
BY_ITSELF = "ended by itself"
FLUSH_WITHIN_S = 3.0
"""The probe flushes four times a second; a server that starves it this long is ill."""


@dataclass(slots=True)
class CellObservations:
    """What driving a cell yields beyond the files that the processes write. Times absolute.
    begun_s: before anything was started."""

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
    stack, directory, times = seen.phases.stack, seen.phases.cell.directory, seen.phases.times
    if stack.folder != directory.raw:
        wait_for_flush(stack, seen.end_s)
        shutil.copytree(stack.journals, directory.raw / "journals")  # it goes on writing its own
        for path in (*stack.folder.glob("*.log"), stack.upstream_log):
            if path.exists():
                shutil.copy(path, directory.raw)
    worked, lost = read_journals(sorted(stack.journals.glob("probe-*.journal")))
    clocks = estimate_clocks(read_clocks(directory.raw))
    sent, _ = read_journals(sorted(directory.raw.glob("load-*.journal")))
    machine = build_observed_table(seen.machine, MACHINE, times.t0_s)
    save_tables(seen, worked, sent, machine, clocks)
    for level, stacks in (seen.explained.stacks if seen.explained else {}).items():
        directory.save_stacks(level, stacks)
    record = replace(
        build_record(seen),
        threads_left=count_threads_before(worked, times.t0_s) if stack.attached else 0,
        # a held-up server's may be of any earlier cell
        journals_lost=() if stack.attached else lost,
        processes=list_attached_processes(stack.journals),
        clocks=clocks,
        faults=read_oha_errors(directory.raw),
        pauses=find_pauses([] if clocks else sent, machine, times.t0_s),
        overhead_s=monotonic() - seen.begun_s - (times.build_phases().drain_end_s or 0.0),
    )
    directory.save_record(record)


def save_tables(
    seen: CellObservations,
    worked: Sequence[Journal],
    sent: Sequence[Journal],
    machine: pl.DataFrame,
    clocks: Sequence[ClockModel],
) -> None:
    """worked: journals of the probe; sent: of the load; machine: the runner's samples."""
    cell, stack, times = seen.phases.cell, seen.phases.stack, seen.phases.times
    directory, name, t0_s, end_s = cell.directory, cell.directory.path.name, times.t0_s, seen.end_s
    by_process = {clock.process: clock for clock in clocks}
    if clocks:  # load processes on other machines: nobody here sees what they use
        machine = pl.concat([machine, build_usage_table(sent, t0_s, by_process)]).sort("at_s")
    tables = {
        "requests": build_requests_table(name, sent, t0_s, by_process)
        if cell.scenario.load.engine == "locust"
        else take_oha_rows(directory.raw, name, times.build_phases().window_start_s or 0.0),
        **build_stripped_tables(worked, t0_s, end_s, cell.scenario.server.folder or str(ROOT)),
        "machine": machine,
        "bystander": build_observed_table([astuple(each) for each in seen.pings], BYSTANDER, t0_s),
        "upstream": build_upstream_table(stack.upstream_log, t0_s, end_s),
    }
    for which, table in tables.items():
        directory.save_table(which, table)


def build_record(seen: CellObservations) -> CellRecord:
    """What is known without the journals."""
    phases, cell, stack = seen.phases, seen.phases.cell, seen.phases.stack
    log_text = stack.read_logs() + phases.load.log.read_text(errors="replace")
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
        deaths=tuple(explain_deaths(phases, log_text)),
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
        log_faults=tuple(_DESCRIPTORS.findall(log_text)[:MOST_FAULTS]),
    )


def wait_for_flush(stack: Stack, end_s: float) -> None:
    """A held-up server is not ended, so its last rows come with its next flush: a journal that
    holds a sample from after the load's end has them all. A dead worker's never will."""

    def is_flushed() -> bool:
        live = read_live_journals(stack)
        return all((journal.tables["s"]["at_s"] >= end_s).any() for journal in live)

    Interruption().poll(is_flushed, FLUSH_WITHIN_S)


def count_threads_before(journals: Sequence[Journal], t0_s: float) -> int:
    """Threads of pool and executor at t0, all live workers together: anyio ends its idle threads
    only when it is asked for another."""
    total = 0
    for journal in journals:
        last = journal.tables["s"].filter(pl.col("at_s") < t0_s).tail(1)
        if last.height and is_alive(journal.about["pid"]):
            total += int((last["threads_anyio_worker"] + last["threads_executor"])[0])
    return total


def explain_deaths(phases: PhaseRunner, log_text: str) -> list[WorkerDeath]:
    """Deaths since t0, with the server's own reason where its log tells one."""
    causes = find_adapter(phases.scenario.server.kind).find_death_causes(log_text)
    return [
        WorkerDeath(each.at_s - phases.times.t0_s, each.pid, causes.get(each.pid, BY_ITSELF))
        for each in phases.workers.deaths
    ]


def list_commands(phases: PhaseRunner) -> dict[str, list[str]]:
    """Without the paths of this machine."""
    folder = str(phases.cell.directory.path)
    commands = {**phases.stack.list_commands(), phases.load.role: list(phases.load.argv)}
    return {role: strip_paths(argv, folder) for role, argv in commands.items()}


def list_attached_processes(journals: Path) -> tuple[AttachedProcess, ...]:
    """As the server's processes report themselves, without the path of this study's Python."""
    found = (each.build_record() for each in read_reports(journals))
    return tuple(
        replace(each, executable=each.executable.replace(f"{sys.prefix}/", "/")) for each in found
    )


def build_stripped_tables(
    worked: Sequence[Journal], t0_s: float, end_s: float, folder: str
) -> dict[str, pl.DataFrame]:
    """What the probe has seen. folder: the app's, whose files are named from it."""
    found = {}
    for name in STUDY_TABLES:
        found[name] = PROBE_TABLES[name](worked, t0_s, end_s)
        for column, before in PATH_COLUMNS.get(name, ()):
            found[name] = strip_column(found[name], column, before, folder)
    return found


def strip_column(rows: pl.DataFrame, column: str, before: str, folder: str) -> pl.DataFrame:
    """Files from the root of what they belong to. before: what stands before each. folder: the
    app's."""
    text = pl.col(column)
    for path, name in ((sys.prefix, "/"), (sys.base_prefix, "/"), (folder, "")):
        text = text.str.replace_all(f"{before}{path}/", f"{before}{name}", literal=True)
    return rows.with_columns(text)


def strip_paths(argv: Sequence[str], folder: str) -> list[str]:
    """The program by its name, files from their root."""
    program, *options = argv
    for path, name in ((folder, "CELL"), (f"{ROOT}/", ""), (f"{sys.prefix}/", "")):
        options = [word.replace(path, name) for word in options]
    return [Path(program).name, *options]
