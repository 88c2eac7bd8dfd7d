"""Plans the phases and the commands of a cell. It uses no clock, file or process."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scenarios.heartbeat import compute_blocking_s, exceeds_worker_timeout
from scenarios.model import Scenario
from scenarios.settings import build_environment
from scenarios.units import Second
from scenarios.warm_up import WARM_UP_LIMIT_S, find_scenario_places

HOST = "127.0.0.1"
"""Never "localhost", which asyncio resolves in its executor."""
OPEN_WARM_UP_S = 2.0
"""Warm-up of an open loop, which starts at its full rate: this plus three delays. By then, requests
in flight have been replaced several times."""
CYCLES = 3
CYCLE_SLACK_S = 4.0
"""A server checks its workers once per second, and a new worker starts in about 1 s."""


USUAL_TURNS = 1.5
"""Rounds of a warm-up: every user is served once more, and the last to start waits the longest."""
USUAL_RESTART_S = 1.1
"""Time from a worker's timeout to its death."""
DRAIN_S = 1.0
"""Time until all load processes have reported that no request is in flight."""
OVERHEAD_S = 6.0
"""Time to start and stop server, upstream and load, and to summarize. Measured on two cores."""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Lengths in seconds. cycles: number of worker deaths in the window, or None. turn_s: if no
    warm-up can be long enough, and none is planned, the shortest one that would be.
    """

    ramp_s: Second
    warm_up_limit_s: Second
    window_s: Second
    drain_s: Second
    cycles: int | None
    turn_s: Second | None = None

    @property
    def longest_s(self) -> Second:
        return self.ramp_s + self.warm_up_limit_s + self.window_s + self.drain_s

    @property
    def load_timeout_s(self) -> Second:
        """Longer than the cell, so that the load never gives up a request."""
        return self.longest_s + 60.0


def expects_worker_kills(scenario: Scenario) -> bool:
    """Return True if the server will repeatedly kill its workers. Their heartbeat runs on the event
    loop, and each user of a worker blocks that loop for one delay after another."""
    if not scenario.endpoint.blocks_the_loop or scenario.delay_s is None:
        return False
    server, client = scenario.server, scenario.client
    held_s = compute_blocking_s(scenario.delay_s, client.timeout_s if client else None)
    return server.kills_blocked_workers and exceeds_worker_timeout(
        scenario.load.users, server.workers, held_s, server.worker_timeout_s
    )


def plan_windows(scenario: Scenario) -> WindowPlan:
    load, delay_s = scenario.load, scenario.delay_s or 0.0
    ramp_s = load.users / load.spawn_rate
    drain_s = 2 * delay_s + 3.0
    if load.is_open:
        return WindowPlan(0.0, OPEN_WARM_UP_S + 3 * delay_s, load.duration_s, drain_s, None)
    if expects_worker_kills(scenario):
        cycle_s = scenario.server.worker_timeout_s + CYCLE_SLACK_S
        return WindowPlan(ramp_s, cycle_s, CYCLES * cycle_s, drain_s, CYCLES)
    places = find_scenario_places(scenario)
    if places is not None and not places.allows_warm_up(load):
        turn_s = places.compute_turn_s(load)
        return WindowPlan(ramp_s, 0.0, load.duration_s, drain_s, None, turn_s)
    return WindowPlan(ramp_s, WARM_UP_LIMIT_S, load.duration_s, drain_s, None)


def estimate_cell_s(scenario: Scenario) -> Second:
    """Estimate the duration of a resolved scenario's cell, with start and end, but without the
    calibration, which trials share."""
    windows, turn_s = plan_windows(scenario), scenario.delay_s or 0.0
    if places := find_scenario_places(scenario):
        turn_s = max(turn_s, places.compute_turn_s(scenario.load))
    drain_s = min(windows.drain_s, DRAIN_S + turn_s)
    warm_up_s = min(windows.warm_up_limit_s, USUAL_TURNS * turn_s)
    window_s = windows.window_s
    if windows.cycles is not None:
        cycle_s = scenario.server.worker_timeout_s + USUAL_RESTART_S
        warm_up_s, window_s = max(0.0, cycle_s - windows.ramp_s), windows.cycles * cycle_s
    elif scenario.load.is_open:
        warm_up_s = windows.warm_up_limit_s
    return windows.ramp_s + warm_up_s + window_s + drain_s + OVERHEAD_S


def count_needed_descriptors(scenario: Scenario) -> int:
    """Return the descriptors of the process that needs the most: a worker, with two connections per
    user (one to the upstream), the journals, and those of Python. An open loop holds as many
    requests as arrive while one is answered. Beyond its capacity it holds more and more, and the
    verdict on descriptors reports when they run out."""
    load, in_flight_s = scenario.load, 2 * (scenario.delay_s or 0.0) + 0.5  # generously
    at_once = load.users if load.arrival_rate is None else load.arrival_rate * in_flight_s
    return 2 * round(at_once) + 128


def count_wanted_descriptors(scenario: Scenario) -> int:
    """Return the descriptors of an open loop beyond capacity: at worst, no request is answered."""
    rate, span = scenario.load.arrival_rate, plan_windows(scenario)
    return 0 if rate is None else 2 * round(rate * (span.warm_up_limit_s + span.window_s)) + 128


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start. env: variables in addition to the inherited ones.

    end_signal: asks the program to end. inherits_all: a user's program inherits every variable; the
    study's own programs inherit none that would change a server or a client unnoticed.
    """

    role: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    end_signal: signal.Signals = signal.SIGTERM
    inherits_all: bool = False


def build_app_environment(
    scenario: Scenario, upstream_url: str | None, database_env: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Build the app's variables. database_env: those of the scenario's database."""
    env = {**build_environment(scenario), **(database_env or {})}
    if scenario.database is not None:
        # Each Python worker has its own pool; a compiled server has one pool for all its threads.
        pools = scenario.server.workers if scenario.server.is_compiled else 1
        env["APP_DATABASE_POOL"] = str(scenario.database.pool * pools)
        env["APP_DATABASE_LIFE"] = scenario.database.life
    if upstream_url is not None:
        env["APP_UPSTREAM_URL"] = upstream_url
    return env


def build_upstream_argv(
    program: tuple[str, ...], log: Path, default_ms: int, port: int = 0
) -> tuple[str, ...]:
    return (
        *program,
        "--host", HOST,
        "--port", str(port),
        "--default-ms", str(default_ms),
        "--log", str(log),
    )  # fmt: skip
