"""Plans: when each phase ends, and what is started how. Pure: no clock, file or process here."""

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
"""Never "localhost": resolving it takes a turn in asyncio's executor."""
OPEN_WARM_UP_S = 2.0
"""An open loop begins at its full rate: this, and three times the delay, until what is under way
has been renewed several times."""
CYCLES = 3
CYCLE_SLACK_S = 4.0
"""A server looks at its workers once a second, and a new one boots in about one."""


USUAL_TURNS = 1.5
"""Everybody is served once more: the users who began last wait the longest for it."""
USUAL_RESTART_S = 1.1
"""From the end of a worker's timeout to its death."""
DRAIN_S = 1.0
"""Until all load processes have said that nothing is under way."""
OVERHEAD_S = 6.0
"""Of a cell: it starts and ends server, upstream and load, and summarises. As seen on two cores."""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Lengths in seconds. `cycles` is None, or how many worker deaths the window spans. `turn_s`:
    where no warm-up can be enough, and so none is made, how long one would have to last at least.
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
        """A request is never given up by the load: this outlasts the cell."""
        return self.longest_s + 60.0


def expects_worker_kills(scenario: Scenario) -> bool:
    """Whether the server will kill its workers again and again: their heartbeat runs on the loop,
    which is blocked for one delay by each of a worker's users, one after the other."""
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
    """About how long a cell of a resolved scenario takes, its start and end included; the
    calibration, which is shared between trials, is not."""
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
    """Of the process that needs the most: a worker, with a connection from each user and one to
    the upstream for each, the journals and what Python itself holds. An open loop holds as many
    requests as come while one is answered; beyond its capacity more and more, and the verdict
    on descriptors tells when they ran out."""
    load, in_flight_s = scenario.load, 2 * (scenario.delay_s or 0.0) + 0.5  # generously
    at_once = load.users if load.arrival_rate is None else load.arrival_rate * in_flight_s
    return 2 * round(at_once) + 128


def count_wanted_descriptors(scenario: Scenario) -> int:
    """For an open loop beyond its capacity: in the worst case nothing that was sent is answered."""
    rate, span = scenario.load.arrival_rate, plan_windows(scenario)
    return 0 if rate is None else 2 * round(rate * (span.warm_up_limit_s + span.window_s)) + 128


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, in which folder, with which variables in addition to the inherited ones.

    end_signal: what asks it to end. inherits_all: a user's own program gets every variable; one of
    ours gets none that would change a server or a client behind our back.
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
    """`database_env` names the database that was started for the scenario."""
    env = {**build_environment(scenario), **(database_env or {})}
    if scenario.database is not None:
        # each Python worker has a pool of its own, a compiled server one for all its threads
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
