"""Runs one cell: starts its processes, leads it through its phases and saves what it observed."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import psutil

from records.rundir import CellDir
from scenarios.model import Scenario
from stress import plan
from stress.attached_server import wait_until_idle
from stress.bystander import BackgroundRequester
from stress.cell_runner import save_runner
from stress.explain import LoadExplainer, is_explainable
from stress.load.command import await_load_workers, build_load_command
from stress.load.oha import OhaPhaseRunner
from stress.machine import find_free_port, raise_descriptor_limit
from stress.phases import PhaseRunner
from stress.processes import Process
from stress.profiler import WRITES_WITHIN_S, Profiler
from stress.resource_monitor import Families, ResourceMonitor
from stress.runtime import CellRun, Runtime
from stress.save_cell import CellObservations, save_begun_record, save_results
from stress.stack import Stack
from stress.start_stack import start_stack

STACK_ROLES = ("server", "upstream", "database", "terminal")


def run_cell(cell: CellRun, runtime: Runtime) -> None:
    """Run a cell and save its tables and record. An interrupted cell is saved with the reason. A
    cell that cannot start raises UserError or CellInterruptedError and is not saved."""
    begun_s, started_utc = monotonic(), datetime.now(UTC).isoformat()
    # The processes of the cell have another working folder.
    cell = replace(cell, directory=CellDir(cell.directory.path.resolve()))
    cell.directory.raw.mkdir(parents=True)
    save_runner(cell.directory)
    scenario, served = cell.scenario, runtime.served
    limit = raise_descriptor_limit(
        plan.count_needed_descriptors(scenario), plan.count_wanted_descriptors(scenario)
    )
    runtime.announce(scenario.name, "start")
    if served is not None:
        wait_until_idle(served, runtime.interruption)
    port = served.port if served else choose_port(scenario, runtime)
    # The port is known before the server starts, so load and server can import at the same time.
    load = start_load(cell, runtime, port)
    try:
        stack = served or start_own_stack(cell, runtime, port)
        try:
            seen = drive_load(cell, runtime, stack, load)
            runtime.announce(scenario.name, "save")
        finally:
            if served is None:
                stack.close()
    finally:
        load.end()
    explain_cell(seen, runtime)
    seen.started_utc, seen.begun_s = started_utc, begun_s
    seen.descriptors_limit = limit if served is None else served.read_descriptor_limit(limit)
    save_results(seen)


def explain_cell(seen: CellObservations, runtime: Runtime) -> None:
    """Explain the cell if it asked for it and ran to its end."""
    phases = seen.phases
    if phases.explainer is None or seen.interrupted:
        return
    if phases.times.profile_end_s is not None:
        runtime.announce(phases.scenario.name, "alone")
    seen.explained = phases.explainer.complete(runtime.profiles, runtime.interruption)


def choose_port(scenario: Scenario, runtime: Runtime) -> int:
    """Choose the server's port; a given server has its own, whatever this one is."""
    wanted = runtime.port if scenario.url is None else 0
    return find_free_port(wanted, choose_host(runtime))


def choose_host(runtime: Runtime) -> str:
    """Return the address that the server listens on."""
    return runtime.distribution.listen if runtime.distribution else plan.HOST


def start_own_stack(cell: CellRun, runtime: Runtime, port: int) -> Stack:
    folder, host = cell.directory.raw, choose_host(runtime)
    return start_stack(cell.scenario, port, folder, runtime.interruption, host)


def start_load(cell: CellRun, runtime: Runtime, port: int) -> Process:
    """Start Locust, which waits for the go file; other engines start with their phase."""
    load = Process("load", cell.directory.raw / "load.log")
    if cell.scenario.load.engine == "locust":
        load.start(build_load_command(cell, port, find_free_port(0), runtime.distribution))
    return load


def create_profiler(cell: CellRun, runtime: Runtime, stack: Stack) -> Profiler:
    """Create a profiler; it does nothing unless the run asks for a profile."""
    profiled = runtime.profile and cell.scenario.server.is_python
    return Profiler(cell.directory.path, stack.list_processes("server") if profiled else [])


def drive_load(cell: CellRun, runtime: Runtime, stack: Stack, load: Process) -> CellObservations:
    """Run load, bystander and monitors against a ready stack, then stop them."""
    if runtime.distribution is not None:
        await_load_workers(cell, runtime, stack, load)
    profiler = create_profiler(cell, runtime, stack)
    kind = PhaseRunner if cell.scenario.load.engine == "locust" else OhaPhaseRunner
    explainer = LoadExplainer(cell, stack) if is_explainable(cell) else None
    phases = kind(cell, runtime, stack, load, profiler.begin, save_begun_record, explainer)
    bystander = BackgroundRequester(cell, stack.host, stack.port)
    samplers = [profiler, *([explainer.sampler] if explainer else ())]
    families: Families = {
        **{role: partial(stack.list_processes, role) for role in STACK_ROLES},
        "load": load.list_processes,
        "runner": lambda: [psutil.Process()],
        "profiler": lambda: [process for each in samplers for process in each.list_processes()],
        **runtime.others,
    }
    resources = ResourceMonitor(families)
    try:
        interrupted = phases.lead_cell()
    finally:
        end_s = monotonic()
        load.end()
        profiler.end(WRITES_WITHIN_S)
        if explainer:
            explainer.sampler.end()
        pings, machine = bystander.stop(), resources.stop()
    upstream, profile = stack.fetch_upstream_summary(), profiler.build_profile()
    return CellObservations(phases, end_s, pings, machine, interrupted, upstream, profile)
