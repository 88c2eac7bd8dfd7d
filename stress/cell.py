"""Runs one cell: starts what it needs, leads it through its phases, saves what was seen. Judges
nothing."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import psutil

from records.rundir import CellDir
from scenarios.units import Second
from stress import plan
from stress.attached_server import wait_until_idle
from stress.bystander import BackgroundRequester
from stress.interruption import CellInterruptedError
from stress.load.await_workers import await_load_workers
from stress.load.command import build_load_command
from stress.load.oha import OhaPhaseRunner
from stress.load.protocol import LoadProgress, write_go
from stress.machine import find_free_port, raise_descriptor_limit
from stress.phases import PhaseRunner
from stress.processes import LaterProcess, Process
from stress.profiler import WRITES_WITHIN_S, Profiler
from stress.resource_monitor import Families, ResourceMonitor, WorkerMonitor
from stress.runtime import CellRun, PhaseProgress, Runtime
from stress.save_cell import CellObservations, save_results
from stress.stack import Stack
from stress.start_stack import start_stack

STACK_ROLES = ("server", "upstream", "database", "terminal")


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


def create_profiler(cell: CellRun, runtime: Runtime, stack: Stack) -> Profiler:
    """It has nothing to do for a server that is not Python's, or is not here."""
    watched = (
        stack.list_processes("server") if runtime.profile and cell.scenario.server.is_python else []
    )
    return Profiler(cell.directory.path, watched[0].pid if watched else None)


def start_load(cell: CellRun, runtime: Runtime, stack: Stack) -> Process | LaterProcess:
    """Locust, which waits for the word to go; or what is only started when its phase begins."""
    raw = cell.directory.raw
    if cell.scenario.load.engine != "locust":
        return LaterProcess(raw / "load.log", "load")
    command = build_load_command(cell, stack.port, find_free_port(0), runtime.distribution)
    load = Process(command, raw / "load.log", os.environ)
    with ExitStack() as undo:
        undo.callback(load.end)
        if runtime.distribution is not None:
            await_load_workers(cell, runtime, stack, load)
        undo.pop_all()
    return load


def list_families(
    stack: Stack, load: Process | LaterProcess, profiler: Profiler, others: Families
) -> Families:
    """Whose resources are watched."""
    return {
        **{role: partial(stack.list_processes, role) for role in STACK_ROLES},
        "load": load.list_processes,
        "runner": lambda: [psutil.Process()],
        "profiler": profiler.list_processes,
        **others,
    }


def create_phases(
    cell: CellRun,
    runtime: Runtime,
    stack: Stack,
    load: Process | LaterProcess,
    at_window: Callable[[Second], None],
) -> PhaseRunner:
    """Workers that died before are none of its business."""
    workers = WorkerMonitor(stack.journals)
    workers.record_deaths()
    workers.deaths.clear()
    kind = OhaPhaseRunner if isinstance(load, LaterProcess) else PhaseRunner
    return kind(cell, runtime, stack, load, workers, at_window)


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
    profiler = create_profiler(cell, runtime, stack)
    load = start_load(cell, runtime, stack)
    phases = create_phases(cell, runtime, stack, load, profiler.begin)
    bystander = BackgroundRequester(
        (stack.host, stack.port), cell.number, scenario.bystander, is_ours=scenario.url is None
    )
    resources = ResourceMonitor(list_families(stack, load, profiler, runtime.others))
    try:
        interrupted = lead_phases(phases)
    finally:
        end_s = monotonic()
        load.end()
        profiler.end(WRITES_WITHIN_S)
        pings, machine = bystander.stop(), resources.stop()
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
        upstream=stack.fetch_upstream_summary(),
        profile=profiler.build_profile(),
    )
