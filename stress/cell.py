"""Runs one cell: starts what it needs, leads it through its phases, saves what was seen. Judges
nothing."""

import os
import secrets
import sys
from datetime import UTC, datetime
from time import monotonic

import psutil

from records.cell import Profile
from records.rundir import CellDir
from scenarios.model import Scenario
from stress import plan
from stress.attached_server import wait_until_idle
from stress.await_load_workers import WAITING, await_load_workers
from stress.bystander import BackgroundRequester
from stress.engine_load import EngineLoad, EnginePhaseRunner
from stress.interruption import CellInterruptedError, Interruption
from stress.load_plan import Distribution, build_load_command
from stress.machine import find_free_port, raise_descriptor_limit
from stress.phases import Listener, PhaseProgress, PhaseRunner, PhaseTimes
from stress.processes import Process
from stress.profiler import Profiler
from stress.protocol import LoadProgress, write_go
from stress.resource_monitor import Families, ResourceMonitor, WorkerMonitor
from stress.save_cell import CellObservations, save_results
from stress.stack import ROOT, Stack
from stress.start_stack import start_stack


def run_cell(
    scenario: Scenario,
    trial: int,
    cell: CellDir,
    port: int,
    interruption: Interruption,
    listener: Listener,
    served: Stack | None = None,
    distribution: Distribution | None = None,
    others: Families | None = None,
    profile: bool = False,
) -> None:
    """Runs a resolved scenario and saves its tables and its record under `cell`.

    `others` are watched too, and left alone. `served` is a stack that somebody else started and
    will end. A cell that was cut short is saved, with the reason in its record; one that could not
    even begin raises UserError, or CellInterruptedError, and is not.
    """
    begun_s = monotonic()
    started_utc = datetime.now(UTC).isoformat()
    cell = CellDir(cell.path.resolve())  # what we start has another working folder
    cell.raw.mkdir(parents=True)
    limit = raise_descriptor_limit(
        plan.count_needed_descriptors(scenario), plan.count_wanted_descriptors(scenario)
    )
    cell_number = 1 + secrets.randbelow(0xFFFF)  # never 0, which would make an id of 0
    listener(PhaseProgress(scenario.name, "start", 0.0, LoadProgress(), 0))
    if served is not None:
        wait_until_idle(served, interruption)
    host = distribution.listen if distribution else plan.HOST
    stack = served or start_stack(
        scenario, find_free_port(port, host), cell.raw, interruption, host
    )
    try:
        profiler = create_profiler(scenario, cell, stack) if profile else None
        seen = drive_load(
            scenario,
            cell,
            stack,
            cell_number,
            interruption,
            listener,
            distribution,
            others or {},
            profiler,
        )
    finally:
        if served is None:
            stack.end()
    seen.descriptors_limit = limit if served is None else served.read_descriptor_limit(limit)
    save_results(scenario, trial, cell, stack, seen, started_utc, begun_s)


def create_profiler(scenario: Scenario, cell: CellDir, stack: Stack) -> Profiler | None:
    """None for a server that is not Python's, or is not here."""
    servers = stack.list_processes("server")
    return Profiler(cell.path, servers[0].pid) if scenario.has_probe and servers else None


def start_load(
    scenario: Scenario,
    cell: CellDir,
    stack: Stack,
    cell_number: int,
    interruption: Interruption,
    listener: Listener,
    distribution: Distribution | None,
) -> Process | EngineLoad:
    """Locust, which waits for the word to go; or what is only started when its phase begins."""
    if scenario.load.engine != "locust":
        return EngineLoad(cell.raw)
    command = build_load_command(
        scenario,
        ROOT,
        sys.executable,
        stack.port,
        cell.raw,
        cell_number,
        find_free_port(0),
        distribution,
    )
    load = Process(command, cell.raw / "load.log", os.environ)
    if distribution:
        await_load_workers(
            load,
            cell.raw,
            distribution,
            lambda: interruption.reason or stack.find_ended_process(),
            lambda left_s, seen: listener(PhaseProgress(scenario.name, WAITING, left_s, seen, 0)),
        )
    return load


def drive_load(
    scenario: Scenario,
    cell: CellDir,
    stack: Stack,
    cell_number: int,
    interruption: Interruption,
    listener: Listener,
    distribution: Distribution | None,
    others: Families,
    profiler: Profiler | None,
) -> CellObservations:
    """Load, bystander and watches around a ready stack. Ends what it started."""
    load = start_load(scenario, cell, stack, cell_number, interruption, listener, distribution)
    workers = WorkerMonitor(stack.journals)
    workers.record_deaths()
    workers.deaths.clear()
    course = PhaseTimes(t0_s=monotonic())
    bystander = BackgroundRequester(
        stack.host, stack.port, cell_number, scenario.bystander, is_ours=scenario.url is None
    )
    resources = ResourceMonitor(
        {
            "server": lambda: stack.list_processes("server"),
            "upstream": lambda: stack.list_processes("upstream"),
            "database": lambda: stack.list_processes("database"),
            "terminal": lambda: stack.list_processes("terminal"),
            "load": load.list_processes,
            "runner": lambda: [psutil.Process()],
            "profiler": lambda: profiler.list_processes() if profiler else [],
            **others,
        }
    )
    kind = EnginePhaseRunner if isinstance(load, EngineLoad) else PhaseRunner
    conductor = kind(scenario, cell, stack, load, workers, interruption, listener, course)
    if profiler is not None:
        conductor.at_window = profiler.begin
    interrupted = None
    try:
        write_go(cell.raw)
        conductor.run_phases()
    except CellInterruptedError as error:
        interrupted = str(error)
        if course.window_start_s is not None and course.window_end_s is None:
            course.window_end_s = monotonic()
    finally:
        end_s = monotonic()
        load.end()
        if profiler is not None:
            profiler.end()
        pings, machine = bystander.stop(), resources.stop()
        upstream = stack.fetch_upstream_summary()
    return CellObservations(
        cell_number=cell_number,
        t0_s=course.t0_s,
        end_s=end_s,
        phases=course.build_phases(),
        deaths=workers.deaths,
        progress=conductor.progress,
        pings=pings,
        machine=machine,
        commands={**stack.list_commands(), load.role: list(load.argv)},
        interrupted=interrupted,
        upstream=upstream,
        profile=None if profiler is None else Profile(profiler.describe_profiler_failure()),
    )
