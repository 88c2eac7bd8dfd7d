"""`study serve`: upstream and server until Ctrl-C."""

import time
from dataclasses import replace
from pathlib import Path

from records.rundir import create_run
from scenarios.catalogue import select_scenarios
from scenarios.errors import BROKEN, INTERRUPTED, UserError
from scenarios.model import MOST_USERS, Scenario
from scenarios.overrides import apply_overrides
from scenarios.resolution import resolve_scenario
from scenarios.settings import Overrides
from stress import attached_server
from stress.interruption import CellInterruptedError, record_signals
from stress.machine import find_free_port, raise_descriptor_limit
from stress.plan import HOST, count_needed_descriptors
from stress.stack import Stack
from stress.start_stack import start_stack
from study.machine_facts import detect_resources
from study.messages import print_message, show_activity
from study.paths import format_path

SERVED_FILE = "serve.json"
LOOK_EVERY_S = 0.2


def get_server_file_path(out: Path) -> Path:
    return out / SERVED_FILE


def raise_limit_for_any_load(scenario: Scenario) -> None:
    """Raises UserError."""
    most = replace(scenario, load=replace(scenario.load, users=MOST_USERS))
    wanted = count_needed_descriptors(most)
    raise_descriptor_limit(count_needed_descriptors(scenario), wanted)


def serve_stack(overrides: Overrides, port: int, out: Path) -> int:
    """Serve the classic stack with overrides; return the exit code. Raises UserError."""
    scenario = resolve_scenario(
        apply_overrides(select_scenarios(("async-http",)), overrides)[0], detect_resources()
    )
    note = get_server_file_path(out)
    if held := attached_server.read_server_file(note):
        raise UserError(
            f"a server already runs on port {held.port} (see {format_path(note)}); stop it first"
        )
    raise_limit_for_any_load(scenario)
    with record_signals() as interruption:
        folder = create_run(out, "serve").path.resolve()
        try:
            with show_activity("starting upstream and server"):
                stack = start_stack(scenario, find_free_port(port), folder, interruption)
        except CellInterruptedError:
            return INTERRUPTED
        try:
            attached_server.write_server_file(note, stack, scenario)
            print_stack_address(stack, scenario)
            while not interruption.reason and not (fallen := stack.find_ended_process()):
                time.sleep(LOOK_EVERY_S)
        finally:
            note.unlink(missing_ok=True)
            stack.close()
    if interruption.reason:
        return INTERRUPTED
    raise UserError(f"{fallen}; its log is in {format_path(folder)}", BROKEN)


def print_stack_address(stack: Stack, scenario: Scenario) -> None:
    server = scenario.server
    workers = f"{server.workers} worker{'s' if server.workers > 1 else ''}"
    print(f"serving http://{HOST}:{stack.port}  (upstream {stack.upstream_url})")
    print(
        f"{server.kind}, {workers}, {server.loop}, {server.http}, pool {server.pool}, "
        f"worker timeout {server.worker_timeout_s:.0f} s"
    )
    print(
        "Measure it from another terminal: study run async-http --served. Ctrl-C stops it.",
        flush=True,
    )


def attach_served_stack(out: Path, scenarios: tuple[Scenario, ...]) -> Stack | None:
    """Return the running stack, None if there is none. Raises UserError if it does not fit the
    resolved scenarios."""
    held = attached_server.read_server_file(get_server_file_path(out))
    if held is None:
        return None
    for scenario in scenarios:
        attached_server.reject_differences(held, scenario)
    return attached_server.attach_stack(held)


def print_attached_stack(stack: Stack | None, out: Path) -> None:
    """Print which server is measured."""
    if stack is None:
        note = format_path(get_server_file_path(out))
        text = f"no server runs (there is no {note}): one starts for each scenario"
    else:
        text = f"measuring the server that already runs on port {stack.port}"
    print_message(text)
