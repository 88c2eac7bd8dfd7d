"""Predictions for users who wait for their answer before they ask again.

How long they are simulated before the window, and how fast they start: the runner opens a window
when everybody has been served once, or when its patience ends.
"""

from dataclasses import replace
from typing import NamedTuple

from analysis.theory.combine import FormulaPrediction, combine_predictions
from analysis.theory.curve import Curve, CurvePoint, compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.server import RESTART_S
from analysis.theory.simulation import MOST_REQUESTS, simulate
from analysis.theory.users import ClosedLoad
from analysis.theory.worker import TICKS_A_LOOK
from records.prediction import Prediction
from scenarios.heartbeat import exceeds_worker_timeout
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


class SimulationPhases(NamedTuple):
    """Arguments of `simulate`."""

    crowd: ClosedLoad
    warm_up_s: Second
    window_s: Second
    most_requests: int = MOST_REQUESTS


def predict_closed_loop(model: ServerModel, load: Load) -> Prediction:
    found, point, turn_s = solve_steady_state(model, load)
    fullest = name_limit(model, load, point.limited_by)
    formula = FormulaPrediction(point.ok_rps, point.mean_s, found.highest_rps, fullest)
    if model.blocked_by_rare_s:  # no formula: what holds the loop is nothing or all of the delay
        formula = replace(formula, ok_rps=None, mean_s=None)
    shown = simulate(model, *plan_phases(load, turn_s, turn_s))
    return replace(combine_predictions(formula, shown), starved=shown.starved)


def name_limit(model: ServerModel, load: Load, fullest: str) -> str:
    """A pool with a thread for each user is full and keeps nobody waiting."""
    roomy = fullest == "pool" and model.pool * model.workers >= load.users
    return "users" if roomy else fullest


def predict_blocked_loop(model: ServerModel, load: Load) -> Prediction:
    """With short turns it is one queue, which has a formula. With long ones a run ends far from
    any steady state, and is simulated from the first user on."""
    found, point, turn_s = solve_steady_state(model, load)
    per_worker = load.users / model.workers
    limited_by = "users" if per_worker <= 1 else "blocked loop"
    by_formula = FormulaPrediction(point.ok_rps, point.mean_s, found.highest_rps, limited_by)
    by_simulation = replace(by_formula, ok_rps=None, mean_s=None)
    if is_killed(model, load.users):
        phases = plan_worker_kills(load, model.worker_timeout_s)
        return combine_predictions(by_simulation, simulate(model, *phases))
    settles_s = estimate_settling_s(model, turn_s, per_worker)
    if not is_feasible(load, turn_s, settles_s):
        # too many requests: what a run would come to if it lasted, and its workers too
        lasting = replace(model, accepts="all", worker_timeout_s=0.0)
        at_once_s = turn_s / load.users  # rounds are even as soon as all are there
        return combine_predictions(
            by_formula, simulate(lasting, *plan_fast_ramp(load, turn_s, at_once_s))
        )
    shown = simulate(model, *plan_phases(load, turn_s, settles_s))
    short = is_short(model, turn_s, settles_s)
    return combine_predictions(by_formula if short else by_simulation, shown)


def solve_steady_state(model: ServerModel, load: Load) -> tuple[Curve, CurvePoint, Second]:
    """With the length of a turn: from one request of a user to its next."""
    found = compute_curve(model, [load.users], load.think_s)
    (point,) = found.points
    return found, point, load.users / point.ok_rps


def is_killed(model: ServerModel, users: int) -> bool:
    """As the runner expects it when it plans its windows."""
    return exceeds_worker_timeout(users, model.workers, model.held_s, model.worker_timeout_s)


def estimate_settling_s(model: ServerModel, turn_s: Second, per_worker: float) -> Second:
    """A loop that takes one connection in each round has all of them after as many rounds, half
    as long on average as a turn of all."""
    return turn_s * max(1.0, per_worker / 2) if model.accepts == "one" else turn_s


def is_short(model: ServerModel, turn_s: Second, settles_s: Second) -> bool:
    """Well below the patience of a warm-up, and the heartbeat, which such a loop may give at each
    tenth round, is in time."""
    in_time = not 0 < model.worker_timeout_s < TICKS_A_LOOK * turn_s
    return in_time and TICKS_A_LOOK * settles_s < PATIENCE_S


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
