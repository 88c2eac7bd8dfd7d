"""Predictions for users who wait for their answer before they ask again."""

from dataclasses import replace

from analysis.theory.combine import FormulaPrediction, combine_predictions
from analysis.theory.phases import (
    PATIENCE_S,
    is_feasible,
    plan_fast_ramp,
    plan_phases,
    plan_worker_kills,
    simulate_phases,
)
from analysis.theory.sweep import Curve, CurvePoint, compute_curve
from analysis.theory.worker import TICKS_A_LOOK, System
from records.prediction import Prediction
from scenarios.heartbeat import exceeds_worker_timeout
from scenarios.model import Load
from scenarios.units import Second


def predict_closed_loop(system: System, load: Load) -> Prediction:
    found, point, turn_s = solve_steady_state(system, load)
    fullest = name_limit(system, load, point.limited_by)
    formula = FormulaPrediction(point.ok_rps, point.mean_s, found.highest_rps, fullest)
    if system.blocked_by_rare_s:  # no formula: what holds the loop is nothing or all of the delay
        formula = replace(formula, ok_rps=None, mean_s=None)
    shown = simulate_phases(system, plan_phases(load, turn_s, turn_s))
    return replace(combine_predictions(formula, shown), starved=shown.starved)


def name_limit(system: System, load: Load, fullest: str) -> str:
    """A pool with a thread for each user is full and keeps nobody waiting."""
    roomy = fullest == "pool" and system.pool * system.workers >= load.users
    return "users" if roomy else fullest


def predict_blocked_loop(system: System, load: Load) -> Prediction:
    """With short turns it is one queue, which has a formula. With long ones a run ends far from
    any steady state, and is simulated from the first user on."""
    found, point, turn_s = solve_steady_state(system, load)
    per_worker = load.users / system.workers
    limited_by = "users" if per_worker <= 1 else "blocked loop"
    by_formula = FormulaPrediction(point.ok_rps, point.mean_s, found.highest_rps, limited_by)
    by_simulation = replace(by_formula, ok_rps=None, mean_s=None)
    if is_killed(system, load.users):
        phases = plan_worker_kills(load, system.worker_timeout_s)
        return combine_predictions(by_simulation, simulate_phases(system, phases))
    settles_s = estimate_settling_s(system, turn_s, per_worker)
    if not is_feasible(load, turn_s, settles_s):
        # too many requests: what a run would come to if it lasted, and its workers too
        lasting = replace(system, accepts="all", worker_timeout_s=0.0)
        at_once_s = turn_s / load.users  # rounds are even as soon as all are there
        return combine_predictions(
            by_formula, simulate_phases(lasting, plan_fast_ramp(load, turn_s, at_once_s))
        )
    shown = simulate_phases(system, plan_phases(load, turn_s, settles_s))
    short = is_short(system, turn_s, settles_s)
    return combine_predictions(by_formula if short else by_simulation, shown)


def solve_steady_state(system: System, load: Load) -> tuple[Curve, CurvePoint, Second]:
    """With the length of a turn: from one request of a user to its next."""
    found = compute_curve(system, [load.users], load.think_s)
    (point,) = found.points
    return found, point, load.users / point.ok_rps


def is_killed(system: System, users: int) -> bool:
    """As the runner expects it when it plans its windows."""
    return exceeds_worker_timeout(users, system.workers, system.held_s, system.worker_timeout_s)


def estimate_settling_s(system: System, turn_s: Second, per_worker: float) -> Second:
    """A loop that takes one connection in each round has all of them after as many rounds, half
    as long on average as a turn of all."""
    return turn_s * max(1.0, per_worker / 2) if system.accepts == "one" else turn_s


def is_short(system: System, turn_s: Second, settles_s: Second) -> bool:
    """Well below the patience of a warm-up, and the heartbeat, which such a loop may give at each
    tenth round, is in time."""
    in_time = not 0 < system.worker_timeout_s < TICKS_A_LOOK * turn_s
    return in_time and TICKS_A_LOOK * settles_s < PATIENCE_S
