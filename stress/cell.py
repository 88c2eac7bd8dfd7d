"""Runs one cell: starts what it needs, leads it through its phases, saves what was seen. Judges
nothing."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import psutil

from records.cell import Profile
from records.rundir import CellDir
from stress import plan
from stress.attached_server import wait_until_idle
from stress.bystander import BackgroundRequester
from stress.interruption import CellInterruptedError
from stress.load.await_workers import await_load_workers
from stress.load.command import build_load_command
from stress.load.oha import OhaLoad, OhaPhaseRunner
from stress.load.protocol import LoadProgress, write_go
from stress.machine import find_free_port, raise_descriptor_limit
from stress.phases import PhaseRunner
from stress.processes import Process
from stress.profiler import Profiler
from stress.resource_monitor import Families, ResourceMonitor, WorkerMonitor
from stress.runtime import CellRun, PhaseProgress, Runtime
from stress.save_cell import CellObservations, save_results
from stress.stack import Stack
from stress.start_stack import start_stack


def run_cell(cell: CellRun, runtime: Runtime) -> None:
    """Runs it and saves its tables and its record. A cell that was cut short is saved, with the
    reason in its record; one that could not even begin raises UserError, or CellInterruptedError,
    and is not."""
    begun_s, started_utc = monotonic(), datetime.now(UTC).isoformat()
    # what we start has another working folder
    cell = replace(cell, directory=CellDir(cell.directory.path.resolve()))
    cell.directory.raw.mkdir(parents=True)
    scenario, served = cell.scenario, runtime.served
    limit = raise_descriptor_limit(
        plan.count_needed_descriptors(scenario), plan.count_wanted_descriptors(scenario)
    )
    runtime.listener(PhaseProgress(scenario.name, "start", 0.0, LoadProgress(), 0))
    if served is not None:
        wait_until_idle(served, runtime.interruption)
    stack = served or start_own_stack(cell, runtime)
    try:
        seen = drive_load(cell, runtime, stack)
    finally:
        if served is None:
            stack.end()
    seen.started_utc, seen.begun_s = started_utc, begun_s
    seen.descriptors_limit = limit if served is None else served.read_descriptor_limit(limit)
    save_results(cell, stack, seen)


def start_own_stack(cell: CellRun, runtime: Runtime) -> Stack:
    host = runtime.distribution.listen if runtime.distribution else plan.HOST
    port = find_free_port(runtime.port, host)
    return start_stack(cell.scenario, port, cell.directory.raw, runtime.interruption, host)


def create_profiler(cell: CellRun, stack: Stack) -> Profiler | None:
    """None for a server that is not Python's, or is not here."""
    servers = stack.list_processes("server")
    if not cell.scenario.has_probe or not servers:
        return None
    return Profiler(cell.directory.path, servers[0].pid)


def start_load(cell: CellRun, runtime: Runtime, stack: Stack) -> Process | OhaLoad:
    """Locust, which waits for the word to go; or what is only started when its phase begins."""
    raw = cell.directory.raw
    if cell.scenario.load.engine != "locust":
        return OhaLoad(raw)
    command = build_load_command(cell, stack.port, find_free_port(0), runtime.distribution)
    load = Process(command, raw / "load.log", os.environ)
    if runtime.distribution is not None:
        await_load_workers(cell, runtime, stack, load)
    return load


def list_families(
    stack: Stack, load: Process | OhaLoad, profiler: Profiler | None, others: Families
) -> Families:
    """Whose resources are watched."""
    return {
        **{
            role: partial(stack.list_processes, role)
            for role in ("server", "upstream", "database", "terminal")
        },
        "load": load.list_processes,
        "runner": lambda: [psutil.Process()],
        "profiler": lambda: profiler.list_processes() if profiler else [],
        **others,
    }


def create_phases(
    cell: CellRun, runtime: Runtime, stack: Stack, load: Process | OhaLoad
) -> PhaseRunner:
    """Workers that died before are none of its business."""
    workers = WorkerMonitor(stack.journals)
    workers.record_deaths()
    workers.deaths.clear()
    kind = OhaPhaseRunner if isinstance(load, OhaLoad) else PhaseRunner
    return kind(cell, runtime, stack, load, workers)


def lead_phases(phases: PhaseRunner) -> str | None:
    """Why the cell was cut short; None if it was not."""
    try:
        write_go(phases.cell.directory.raw)
        phases.run_phases()
    except CellInterruptedError as error:
        phases.times.close_window(monotonic())
        return str(error)
    return None


def drive_load(cell: CellRun, runtime: Runtime, stack: Stack) -> CellObservations:
    """Load, bystander and watches around a ready stack. Ends what it started."""
    scenario = cell.scenario
    profiler = create_profiler(cell, stack) if runtime.profile else None
    load = start_load(cell, runtime, stack)
    phases = create_phases(cell, runtime, stack, load)
    bystander = BackgroundRequester(
        (stack.host, stack.port), cell.number, scenario.bystander, is_ours=scenario.url is None
    )
    resources = ResourceMonitor(list_families(stack, load, profiler, runtime.others))
    if profiler is not None:
        phases.at_window = profiler.begin
    try:
        interrupted = lead_phases(phases)
    finally:
        end_s = monotonic()
        load.end()
        if profiler is not None:
            profiler.end()
        pings, machine = bystander.stop(), resources.stop()
        upstream = stack.fetch_upstream_summary()
    return CellObservations(
        t0_s=phases.times.t0_s,
        end_s=end_s,
        phases=phases.times.build_phases(),
        deaths=phases.workers.deaths,
        progress=phases.progress,
        pings=pings,
        machine=machine,
        commands={**stack.list_commands(), load.role: list(load.argv)},
        interrupted=interrupted,
        upstream=upstream,
        profile=None if profiler is None else Profile(profiler.describe_profiler_failure()),
    )
