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
from stress.bystander import Bystander
from stress.conductor import Conductor, Course, Listener, Moment
from stress.engine_load import EngineConductor, EngineLoad
from stress.gathering import WAITING, await_load_workers
from stress.interruption import CellInterruptedError, Interruption
from stress.load_plan import Distribution, load_command
from stress.machine import free_port, raise_descriptors
from stress.processes import Process
from stress.profiler import Profiler
from stress.protocol import Progress, write_go
from stress.save import Seen, save
from stress.served import wait_until_idle
from stress.stack import ROOT, Stack
from stress.start import start_stack
from stress.watch import Families, ResourceWatch, WorkerWatch


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
    even begin raises Problem, or CellInterruptedError, and is not.
    """
    begun_s = monotonic()
    started_utc = datetime.now(UTC).isoformat()
    cell = CellDir(cell.path.resolve())  # what we start has another working folder
    cell.raw.mkdir(parents=True)
    limit = raise_descriptors(plan.descriptors_needed(scenario), plan.descriptors_wanted(scenario))
    cell_number = 1 + secrets.randbelow(0xFFFF)  # never 0, which would make an id of 0
    listener(Moment(scenario.name, "start", 0.0, Progress(), 0))
    if served is not None:
        wait_until_idle(served, interruption)
    host = distribution.listen if distribution else plan.HOST
    stack = served or start_stack(scenario, free_port(port, host), cell.raw, interruption, host)
    try:
        profiler = profiler_of(scenario, cell, stack) if profile else None
        seen = drive(
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
    seen.descriptors_limit = limit if served is None else served.descriptors_limit(limit)
    save(scenario, trial, cell, stack, seen, started_utc, begun_s)


def profiler_of(scenario: Scenario, cell: CellDir, stack: Stack) -> Profiler | None:
    """None for a server that is not Python's, or is not here."""
    servers = stack.family("server")
    return Profiler(cell.path, servers[0].pid) if scenario.has_probe and servers else None


def begun_load(
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
    command = load_command(
        scenario,
        ROOT,
        sys.executable,
        stack.port,
        cell.raw,
        cell_number,
        free_port(0),
        distribution,
    )
    load = Process(command, cell.raw / "load.log", os.environ)
    if distribution:
        await_load_workers(
            load,
            cell.raw,
            distribution,
            lambda: interruption.reason or stack.fallen(),
            lambda left_s, seen: listener(Moment(scenario.name, WAITING, left_s, seen, 0)),
        )
    return load


def drive(
    scenario: Scenario,
    cell: CellDir,
    stack: Stack,
    cell_number: int,
    interruption: Interruption,
    listener: Listener,
    distribution: Distribution | None,
    others: Families,
    profiler: Profiler | None,
) -> Seen:
    """Load, bystander and watches around a ready stack. Ends what it started."""
    load = begun_load(scenario, cell, stack, cell_number, interruption, listener, distribution)
    workers = WorkerWatch(stack.journals)
    workers.look()
    workers.deaths.clear()
    course = Course(t0_s=monotonic())
    bystander = Bystander(
        stack.host, stack.port, cell_number, scenario.bystander, is_ours=scenario.url is None
    )
    resources = ResourceWatch(
        {
            "server": lambda: stack.family("server"),
            "upstream": lambda: stack.family("upstream"),
            "database": lambda: stack.family("database"),
            "terminal": lambda: stack.family("terminal"),
            "load": load.family,
            "runner": lambda: [psutil.Process()],
            "profiler": lambda: profiler.family() if profiler else [],
            **others,
        }
    )
    kind = EngineConductor if isinstance(load, EngineLoad) else Conductor
    conductor = kind(scenario, cell, stack, load, workers, interruption, listener, course)
    if profiler is not None:
        conductor.at_window = profiler.begin
    interrupted = None
    try:
        write_go(cell.raw)
        conductor.lead()
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
        upstream = stack.upstream_summary()
    return Seen(
        cell_number=cell_number,
        t0_s=course.t0_s,
        end_s=end_s,
        phases=course.phases(),
        deaths=workers.deaths,
        progress=conductor.progress,
        pings=pings,
        machine=machine,
        commands={**stack.commands(), load.role: list(load.argv)},
        interrupted=interrupted,
        upstream=upstream,
        profile=None if profiler is None else Profile(profiler.fault()),
    )
