"""Predictions for users who wait for their answer before they ask again."""

from dataclasses import replace

from analysis.summary import Predicted
from analysis.theory.joined import Formula, joined
from analysis.theory.phases import (
    PATIENCE_S,
    in_haste,
    is_playable,
    of_killed_workers,
    played,
    settling,
)
from analysis.theory.sweep import Curve, Point, curve
from analysis.theory.worker import TICKS_A_LOOK, System
from scenarios.heartbeat import outlasts_the_heartbeat
from scenarios.model import Load
from scenarios.units import Second


def of_a_closed_loop(system: System, load: Load) -> Predicted:
    found, point, turn_s = steady(system, load)
    fullest = limit(system, load, point.limited_by)
    formula = Formula(point.ok_rps, point.mean_s, found.highest_rps, fullest)
    if system.blocked_by_rare_s:  # no formula: what holds the loop is nothing or all of the delay
        formula = replace(formula, ok_rps=None, mean_s=None)
    shown = played(system, settling(load, turn_s, turn_s))
    return replace(joined(formula, shown), starved=shown.starved)


def limit(system: System, load: Load, fullest: str) -> str:
    """A pool with a thread for each user is full and keeps nobody waiting."""
    roomy = fullest == "pool" and system.pool * system.workers >= load.users
    return "users" if roomy else fullest


def of_a_blocked_loop(system: System, load: Load) -> Predicted:
    """With short turns it is one queue, which has a formula. With long ones a run ends far from
    any steady state, and is simulated from the first user on."""
    found, point, turn_s = steady(system, load)
    per_worker = load.users / system.workers
    limited_by = "users" if per_worker <= 1 else "blocked loop"
    by_formula = Formula(point.ok_rps, point.mean_s, found.highest_rps, limited_by)
    by_simulation = replace(by_formula, ok_rps=None, mean_s=None)
    if is_killed(system, load.users):
        phases = of_killed_workers(load, system.worker_timeout_s)
        return joined(by_simulation, played(system, phases))
    settles_s = settling_s(system, turn_s, per_worker)
    if not is_playable(load, turn_s, settles_s):
        # too many requests: what a run would come to if it lasted, and its workers too
        lasting = replace(system, accepts="all", worker_timeout_s=0.0)
        at_once_s = turn_s / load.users  # rounds are even as soon as all are there
        return joined(by_formula, played(lasting, in_haste(load, turn_s, at_once_s)))
    shown = played(system, settling(load, turn_s, settles_s))
    short = is_short(system, turn_s, settles_s)
    return joined(by_formula if short else by_simulation, shown)


def steady(system: System, load: Load) -> tuple[Curve, Point, Second]:
    """With the length of a turn: from one request of a user to its next."""
    found = curve(system, [load.users], load.think_s)
    (point,) = found.points
    return found, point, load.users / point.ok_rps


def is_killed(system: System, users: int) -> bool:
    """As the runner expects it when it plans its windows."""
    return outlasts_the_heartbeat(users, system.workers, system.held_s, system.worker_timeout_s)


def settling_s(system: System, turn_s: Second, per_worker: float) -> Second:
    """A loop that takes one connection in each round has all of them after as many rounds, half
    as long on average as a turn of all."""
    return turn_s * max(1.0, per_worker / 2) if system.accepts == "one" else turn_s


def is_short(system: System, turn_s: Second, settles_s: Second) -> bool:
    """Well below the patience of a warm-up, and the heartbeat, which such a loop may give at each
    tenth round, is in time."""
    in_time = not 0 < system.worker_timeout_s < TICKS_A_LOOK * turn_s
    return in_time and TICKS_A_LOOK * settles_s < PATIENCE_S
