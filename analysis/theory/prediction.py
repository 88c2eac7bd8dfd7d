"""The prediction for a run, from its scenario and the cost of a single request.

Throughput and mean come from mean-value analysis, medians and tails from simulation. Where
requests fail, where a blocked loop is far from any steady state, or where its worker is killed
repeatedly, all of it comes from simulation.

The upstream counts as unlimited: it responds after its delay under any load. A run's verdict
UPSTREAM_LATE reports when it did not.
"""

import math
from dataclasses import dataclass, replace

from analysis.theory.formulas import (
    FILLED,
    compute_curve,
    estimate_poisson_mean_s,
    find_bottleneck,
)
from analysis.theory.model import ServerModel
from analysis.theory.networks import compute_highest_rps
from analysis.theory.prediction_range import add_range, scale_cpu_to_load
from analysis.theory.reasons import explain_missing
from analysis.theory.simulation import MOST_REQUESTS, RESTART_S, SimulationResult, simulate
from records.prediction import Prediction
from scenarios.heartbeat import TICKS_A_LOOK
from scenarios.model import Load
from scenarios.units import Second

PATIENCE_S: Second = 29.3
"""The longest warm-up after the last user's first request: the runner allows 30 s from the start of
Locust, which takes 0.7 s."""
FAILING = ("worker kills", "client timeout")
"""Limits with failing requests."""
LITTLE_TOLERANCE = 0.05
"""Random error of a simulated mean of a few thousand responses."""
TURNS = 1.5
"""Turns until every user is served once, when the runner opens the window."""
ENOUGH_REQUESTS = 20_000
"""For a full server, which only repeats itself, except for the length of its queue."""
CYCLES = 3
"""Worker deaths in a window, the same number as the runner's."""
TURNS_WITH_WINDOW = 4
"""Requests per user: one at the start, one for each turn of the ramp and of TURNS, and more for the
window."""


@dataclass(frozen=True, slots=True)
class FormulaPrediction:
    """`mean_s`: None without a formula. `ceiling_rps`: None where only the users limit. `holds`:
    True if throughput and mean take precedence over the simulation's."""

    ok_rps: float
    mean_s: Second | None
    ceiling_rps: float | None
    limited_by: str
    holds: bool = True
    knee_users: float | None = None


def compute_prediction(model: ServerModel, load: Load) -> Prediction:
    """Compute the prediction; its `cpu_ms` is CPU per request alone, whatever the load. Raises
    ValueError if a request takes no time."""
    if load.arrival_rate is not None:
        found = predict_open_loop(model, load, load.arrival_rate)
    else:
        found = (predict_blocked_loop if model.blocks else predict_closed_loop)(model, load)
    # with a full interpreter, the next request depends on the threads' switch interval, or on how
    # much a loop reads at a time; and work in other processes does not run on the loop
    unknown = found.limited_by == "interpreter" or model.works_elsewhere
    found = replace(found, bystander_ms=None if unknown else found.bystander_ms)
    known = replace(
        found,
        reason=explain_missing(found, load.is_open, model.works_elsewhere),
        transient=not load.is_open and is_transient(found, load),
        ceiling_rps=0.0 if model.times_out else found.ceiling_rps,
        cpu_ms=1000 * model.loop_cpu_s,
    )
    return add_range(known, model, load)


def predict_open_loop(model: ServerModel, load: Load, rate: float) -> Prediction:
    """Predict an open loop. Below capacity, the rate is served. Beyond it, latencies have no steady
    state and are None, unless clients that give up bound them.

    For random arrivals, the mean is that of independent queues in a row. Constant arrivals have no
    such formula, since a queue's departures are neither constant nor random: use the simulation's
    mean.

    Simulate the phases of a real run, with a warm-up of at most half of the allowed requests.
    """
    full = find_bottleneck(model.scale_cpu_to_rate())
    model = scale_cpu_to_load(model, load)
    tightest = find_bottleneck(model)
    capacity, ceiling = (model.workers * compute_highest_rps(each) for each in (tightest, full))
    below = rate < capacity
    random = load.arrivals == "poisson" and model.rare is None and not model.answers_first
    formula = FormulaPrediction(
        ok_rps=min(rate, capacity),
        mean_s=estimate_poisson_mean_s(model, rate / model.workers) if below and random else None,
        ceiling_rps=max(ceiling, min(rate, capacity)) if math.isfinite(ceiling) else None,
        limited_by="arrivals" if below else tightest.name,
    )
    warm_up_s = min(3 * model.delay_s + 2, MOST_REQUESTS / 2 / rate)
    shown = simulate(model, load, warm_up_s, load.duration_s)
    found = combine_predictions(formula, shown)
    if below or shown.failures > 0:
        return found
    return replace(found, mean_ms=None, median_ms=None, p99_ms=None)


def predict_closed_loop(model: ServerModel, load: Load) -> Prediction:
    formula, turn_s = solve_steady_state(model, load)
    model = scale_cpu_to_load(model, load)
    if model.blocked_by_rare_s:  # no formula: a request blocks the loop for all of its delay or not
        formula = replace(formula, holds=False)
    shown = (
        simulate_run(model, load, turn_s, turn_s)
        or simulate_long_queue(model, load, formula)
        or simulate_fast_ramp(model, load, turn_s, ramp_s=turn_s)
    )
    return replace(combine_predictions(formula, shown), starved=shown.starved)


def predict_blocked_loop(model: ServerModel, load: Load) -> Prediction:
    """Predict a blocked loop. With short turns it is a single queue, which has a formula. With long
    turns, a run ends far from any steady state, so simulate it from the first user on."""
    formula, turn_s = solve_steady_state(model, load)
    model = scale_cpu_to_load(model, load)
    per_worker = load.users / model.workers
    formula = replace(formula, limited_by="users" if per_worker <= 1 else "blocked loop")
    # a loop that accepts one connection per round has all of them after as many rounds, which on
    # average take half as long as a turn of all users
    settles_s = turn_s * max(1.0, per_worker / 2) if model.accepts == "one" else turn_s
    if model.is_killed_by(load.users):
        shown = simulate_worker_kills(model, load)
        return combine_predictions(replace(formula, holds=False), shown)
    if run := simulate_run(model, load, turn_s, settles_s):
        # it settles within the longest warm-up, and its heartbeat, which such a loop sends at most
        # every tenth round, comes in time
        in_time = not 0 < model.worker_timeout_s < TICKS_A_LOOK * turn_s
        holds = in_time and TICKS_A_LOOK * settles_s < PATIENCE_S
        return combine_predictions(replace(formula, holds=holds), run)
    # too many requests: simulate a run that lasts, without kills; rounds are even once all users
    # are there
    lasting = replace(model, accepts="all", worker_timeout_s=0.0)
    shown = simulate_fast_ramp(lasting, load, turn_s, ramp_s=turn_s / load.users)
    return combine_predictions(formula, shown)


def solve_steady_state(model: ServerModel, load: Load) -> tuple[FormulaPrediction, Second]:
    """Return the prediction, and the length of a turn: from one request of a user to the next."""
    found = compute_curve(model, [load.users], load.think_s, load.think_spread_s)
    (point,) = found.points
    known = (point.ok_rps, point.mean_s, found.highest_rps, point.limited_by)
    return FormulaPrediction(*known, knee_users=found.knee_users), load.users / point.ok_rps


def simulate_run(
    model: ServerModel, load: Load, turn_s: Second, settles_s: Second
) -> SimulationResult | None:
    """Simulate the phases of a real run: its window opens when every user was served once, after
    the longest warm-up, or at once where no warm-up suffices. `settles_s`: time until turns are
    even. None where ramp and warm-up take more than half of the allowed requests."""
    warm_up_s = min(PATIENCE_S, TURNS * settles_s) if model.can_warm_up(load) else 0.0
    sent = (load.users / load.spawn_rate + warm_up_s) * load.users / turn_s
    return simulate(model, load, warm_up_s, load.duration_s) if 2 * sent <= MOST_REQUESTS else None


def simulate_fast_ramp(
    model: ServerModel, load: Load, turn_s: Second, ramp_s: Second
) -> SimulationResult:
    """Start all users within `ramp_s`, since a long ramp of many fast users only repeats itself."""
    fast = replace(load, spawn_rate=max(load.spawn_rate, load.users / ramp_s))
    most_requests = max(MOST_REQUESTS, TURNS_WITH_WINDOW * load.users)
    return simulate(model, fast, TURNS * turn_s, load.duration_s, most_requests)


def simulate_long_queue(
    model: ServerModel, load: Load, formula: FormulaPrediction
) -> SimulationResult | None:
    """Simulate as many users as fill the server, and add the time of the other users: beyond the
    knee, each user adds only the own service time to every response. None where that is wrong: up
    to the knee, with a last-in-first-out queue, and where clients give up."""
    few = math.ceil(FILLED * formula.knee_users) if formula.knee_users else load.users
    if few >= load.users or model.serves_newest_first or formula.limited_by == "connections":
        return None
    turn_s, longer_s = (users / formula.ok_rps for users in (few, load.users - few))
    full = replace(load, users=few, spawn_rate=few / turn_s)
    most_requests = max(ENOUGH_REQUESTS, TURNS_WITH_WINDOW * few)
    as_crowded = replace(model, cpu_law=None)
    shown = simulate(as_crowded, full, TURNS * turn_s, load.duration_s, most_requests)
    return None if shown.failures else shown.lengthen(longer_s, model.bystander_tokens)


def simulate_worker_kills(model: ServerModel, load: Load) -> SimulationResult:
    """Simulate a window from about the first worker's death over CYCLES deaths."""
    timeout_s = model.worker_timeout_s
    ramp_s = min(load.users / load.spawn_rate, timeout_s)
    window_s = CYCLES * (timeout_s + RESTART_S)
    most_requests = max(MOST_REQUESTS, (CYCLES + 2) * load.users)
    fast = replace(load, spawn_rate=load.users / ramp_s)
    return simulate(model, fast, timeout_s - ramp_s, window_s, most_requests)


def combine_predictions(formula: FormulaPrediction, shown: SimulationResult) -> Prediction:
    """Combine both. No formula covers failures: where requests fail, everything comes from the
    simulation, successful responses as throughput and the times of all responses.

    The formula's mean is for a steady state. If it exceeds the simulation's p99, the run did not
    reach one, or some users are never served: then use the simulation's mean.
    """
    if shown.failures > 0:
        why = FAILING[0] if shown.kills > 0 else FAILING[1]
        formula = replace(formula, holds=False, limited_by=why)
    mean_s = formula.mean_s if formula.holds else None
    if mean_s is None or (shown.p99_s is not None and mean_s > shown.p99_s):
        mean_s = shown.mean_s
    return Prediction(
        ok_rps=formula.ok_rps if formula.holds else shown.ok_rps,
        mean_ms=convert_to_ms(mean_s),
        median_ms=convert_to_ms(shown.median_s),
        p99_ms=convert_to_ms(shown.p99_s),
        ceiling_rps=formula.ceiling_rps,
        limited_by=formula.limited_by,
        bystander_ms=convert_to_ms(shown.bystander_median_s),
    )


def is_transient(found: Prediction, load: Load) -> bool:
    """Check by Little's law, which does not apply where requests fail, since throughput counts only
    successful responses, or where users starve."""
    if not found.ok_rps or found.mean_ms is None:
        return False
    if found.starved or found.limited_by in FAILING:
        return False
    users = found.ok_rps * (found.mean_ms / 1000 + load.think_s)
    return abs(users - load.users) > LITTLE_TOLERANCE * load.users


def convert_to_ms(value_s: Second | None) -> float | None:
    return None if value_s is None else 1000 * value_s
