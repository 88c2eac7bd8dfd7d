"""`study serve`: upstream and server held up by hand, until Ctrl-C."""

import time
from pathlib import Path

from records.rundir import new_run
from scenarios.catalogue import select
from scenarios.model import Scenario, resolved
from scenarios.overrides import Overrides, with_overrides
from scenarios.problems import Problem
from stress import served
from stress.interruption import CellInterruptedError, Interruption
from stress.machine import free_port, raise_descriptors
from stress.plan import HOST, descriptors_needed
from stress.stack import Stack
from stress.start import start_stack
from study.environment import available
from study.interrupts import noted

SERVED_FILE = "serve.json"
LOOK_EVERY_S = 0.2


def served_file(out: Path) -> Path:
    return out / SERVED_FILE


def serve(overrides: Overrides, port: int, out: Path) -> int:
    """Serves the classic stack, as overridden. 130 after Ctrl-C, 3 if something fell."""
    scenario = resolved(with_overrides(select(("async-http",)), overrides)[0], available())
    note = served_file(out)
    if held := served.read(note):
        raise Problem(f"a server is already held up on port {held.port} (see {note}); end it first")
    raise_descriptors(descriptors_needed(scenario))
    interruption = Interruption()
    with noted(interruption):
        folder = new_run(out, "serve").path.resolve()
        try:
            stack = start_stack(scenario, free_port(port), folder, interruption)
        except CellInterruptedError:
            return 130
        try:
            served.write(note, stack, scenario)
            announce(stack, scenario)
            while not interruption.reason and not (fallen := stack.fallen()):
                time.sleep(LOOK_EVERY_S)
        finally:
            note.unlink(missing_ok=True)
            stack.end()
    if interruption.reason:
        return 130
    raise Problem(f"{fallen}; its log is in {folder}", 3)


def announce(stack: Stack, scenario: Scenario) -> None:
    server = scenario.server
    print(f"serving http://{HOST}:{stack.port}  (upstream {stack.upstream_url})")
    print(
        f"{server.kind}, {server.workers} worker(s), {server.loop}, {server.http}, "
        f"pool {server.pool}, worker timeout {server.worker_timeout_s:.0f} s; Ctrl-C ends it",
        flush=True,
    )


def served_stack(out: Path, scenarios: tuple[Scenario, ...]) -> Stack | None:
    """The held-up stack if there is one and it fits the (resolved) scenarios, else None.

    Raises Problem where it does not fit.
    """
    held = served.read(served_file(out))
    if held is None:
        return None
    for scenario in scenarios:
        served.refuse_differences(held, scenario)
    return served.attach(held)
