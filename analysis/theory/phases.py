"""How long a closed loop is simulated before its window, and how fast its users start.

The runner opens a window when everybody has been served once, or when its patience ends.
"""

from dataclasses import dataclass

from analysis.theory.model import ServerModel
from analysis.theory.server import RESTART_S
from analysis.theory.simulation import MOST_REQUESTS, SimulationResult, simulate
from analysis.theory.users import ClosedLoad
from scenarios.model import Load
from scenarios.units import Second

PATIENCE_S: Second = 29.3
"""Of the warm-up, after the last user's first request: the runner gives it 30 s from when Locust
has begun, which takes 0.7 s."""
TURNS = 1.5
"""Everybody is served once: the runner opens the window then."""
CYCLES = 3
"""Deaths of a worker that a window spans; the runner's has as many."""
TURNS_WITH_WINDOW = 4
"""Requests of each user: one at the start, one for each of the ramp's turn and of TURNS, and some
left for the window."""


@dataclass(frozen=True, slots=True)
class SimulationPhases:
    crowd: ClosedLoad
    warm_up_s: Second
    window_s: Second
    most_requests: int = MOST_REQUESTS


def simulate_phases(model: ServerModel, phases: SimulationPhases) -> SimulationResult:
    return simulate(
        model,
        phases.crowd,
        phases.warm_up_s,
        phases.window_s,
        most_requests=phases.most_requests,
    )


def plan_phases(load: Load, turn_s: Second, settles_s: Second) -> SimulationPhases:
    """A turn is what a user takes from one request to its next, and `settles_s` what the crowd
    takes until turns are even."""
    if is_feasible(load, turn_s, settles_s):
        return plan_run_phases(load, settles_s)
    return plan_fast_ramp(load, turn_s, ramp_s=turn_s)


def is_feasible(load: Load, turn_s: Second, settles_s: Second) -> bool:
    """Whether ramp and warm-up of a real run leave half of what may be simulated to the window."""
    run = plan_run_phases(load, settles_s)
    return (run.crowd.ramp_s + run.warm_up_s) * load.users / turn_s <= MOST_REQUESTS / 2


def plan_run_phases(load: Load, settles_s: Second) -> SimulationPhases:
    crowd = ClosedLoad(load.users, load.think_s, load.spawn_rate)
    return SimulationPhases(crowd, min(PATIENCE_S, TURNS * settles_s), load.duration_s)


def plan_fast_ramp(load: Load, turn_s: Second, ramp_s: Second) -> SimulationPhases:
    """All start within `ramp_s`: a long ramp of many fast users is mostly repetition."""
    return SimulationPhases(
        ClosedLoad(load.users, load.think_s, max(load.spawn_rate, load.users / ramp_s)),
        TURNS * turn_s,
        load.duration_s,
        max(MOST_REQUESTS, TURNS_WITH_WINDOW * load.users),
    )


def plan_worker_kills(load: Load, worker_timeout_s: Second) -> SimulationPhases:
    """The window opens about when the first worker is killed, and spans CYCLES deaths."""
    ramp_s = min(load.users / load.spawn_rate, worker_timeout_s)
    return SimulationPhases(
        ClosedLoad(load.users, load.think_s, load.users / ramp_s),
        worker_timeout_s - ramp_s,
        CYCLES * (worker_timeout_s + RESTART_S),
        max(MOST_REQUESTS, (CYCLES + 2) * load.users),
    )
