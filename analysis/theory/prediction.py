"""What theory says of a scenario, from the scenario and the cost of one request alone.

Throughput and mean come from mean-value analysis, medians and tails from simulation. Where
requests fail, where a blocked loop is far from any steady state, or where its worker is killed
again and again, all of it comes from simulation.

The upstream is taken to scale without limit: it answers after its delay, whatever it is asked, and
so never limits. A run's verdict UPSTREAM_LATE tells when it did not.
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
"""Of the warm-up, after the last user's first request: the runner gives it 30 s from when Locust
has begun, which takes 0.7 s."""
FAILING = ("worker kills", "client timeout")
"""What limits where requests fail."""
LITTLE_TOLERANCE = 0.05
"""So near is a simulated mean of some thousand responses to the formula's, by chance."""
TURNS = 1.5
"""Everybody is served once: the runner opens the window then."""
ENOUGH_REQUESTS = 20_000
"""Of a full server: the same again and again, but for the length of its queue."""
CYCLES = 3
"""Deaths of a worker that a window spans; the runner's has as many."""
TURNS_WITH_WINDOW = 4
"""Requests of each user: one at the start, one for each of the ramp's turn and of TURNS, and some
left for the window."""


@dataclass(frozen=True, slots=True)
class FormulaPrediction:
    """`mean_s` is None where no formula has it, `ceiling_rps` where nothing but the users limits.
    `holds`: whether throughput and mean are believed, and not what the simulation shows."""

    ok_rps: float
    mean_s: Second | None
    ceiling_rps: float | None
    limited_by: str
    holds: bool = True
    knee_users: float | None = None


def compute_prediction(model: ServerModel, load: Load) -> Prediction:
    """`cpu_ms` is that of the endpoint alone, however crowded the cores are. Raises ValueError if
    a request takes no time."""
    crowded = scale_cpu_to_load(model, load)
    if load.arrival_rate is not None:
        found = predict_open_loop(crowded, load, load.arrival_rate)
    else:
        found = (predict_blocked_loop if model.blocks else predict_closed_loop)(crowded, load)
    # where the interpreter limits, who is next depends on threads that take turns by the clock, or
    # on how much a loop reads at a time; and work in other processes is not on the loop
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
    """Below capacity the rate is served. Beyond it the latencies have no steady state, and none
    is given, unless clients that give up bound them.

    Random arrivals: the mean of queues in a row, each as if by itself. Constant ones have no
    such formula (what leaves one queue is no longer constant when it comes to the next, and not
    random either): the simulation's mean.

    Simulated with the phases of a real run, the warm-up cut where it would take more than half of
    what may be simulated.
    """
    tightest = find_bottleneck(model)
    ceiling = model.workers * compute_highest_rps(tightest)
    below = rate < ceiling
    random = load.arrivals == "poisson" and model.rare is None and not model.answers_first
    formula = FormulaPrediction(
        ok_rps=min(rate, ceiling),
        mean_s=estimate_poisson_mean_s(model, rate / model.workers) if below and random else None,
        ceiling_rps=ceiling if math.isfinite(ceiling) else None,
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
    if model.blocked_by_rare_s:  # no formula: what holds the loop is nothing or all of the delay
        formula = replace(formula, holds=False)
    shown = (
        simulate_run(model, load, turn_s, turn_s)
        or simulate_long_queue(model, load, formula)
        or simulate_fast_ramp(model, load, turn_s, ramp_s=turn_s)
    )
    return replace(combine_predictions(formula, shown), starved=shown.starved)


def predict_blocked_loop(model: ServerModel, load: Load) -> Prediction:
    """With short turns it is one queue, which has a formula. With long ones a run ends far from
    any steady state, and is simulated from the first user on."""
    formula, turn_s = solve_steady_state(model, load)
    per_worker = load.users / model.workers
    formula = replace(formula, limited_by="users" if per_worker <= 1 else "blocked loop")
    # taking one connection in each round, a loop has all of them after as many rounds, half as
    # long on average as a turn of all
    settles_s = turn_s * max(1.0, per_worker / 2) if model.accepts == "one" else turn_s
    if model.is_killed_by(load.users):
        shown = simulate_worker_kills(model, load)
        return combine_predictions(replace(formula, holds=False), shown)
    if run := simulate_run(model, load, turn_s, settles_s):
        # short of the patience of a warm-up, and with the heartbeat, which such a loop may give at
        # each tenth round, in time
        in_time = not 0 < model.worker_timeout_s < TICKS_A_LOOK * turn_s
        holds = in_time and TICKS_A_LOOK * settles_s < PATIENCE_S
        return combine_predictions(replace(formula, holds=holds), run)
    # too many requests: what a run would come to if it lasted, and its workers too; rounds are even
    # as soon as all are there
    lasting = replace(model, accepts="all", worker_timeout_s=0.0)
    shown = simulate_fast_ramp(lasting, load, turn_s, ramp_s=turn_s / load.users)
    return combine_predictions(formula, shown)


def solve_steady_state(model: ServerModel, load: Load) -> tuple[FormulaPrediction, Second]:
    """With the length of a turn: from one request of a user to its next."""
    found = compute_curve(model, [load.users], load.think_s, load.think_spread_s)
    (point,) = found.points
    known = (point.ok_rps, point.mean_s, found.highest_rps, point.limited_by)
    return FormulaPrediction(*known, knee_users=found.knee_users), load.users / point.ok_rps


def simulate_run(
    model: ServerModel, load: Load, turn_s: Second, settles_s: Second
) -> SimulationResult | None:
    """With the phases of a real run: its window opens when everybody has been served once, or when
    its patience ends, or at once where no patience is enough. `settles_s` is what the crowd takes
    until turns are even. None where ramp and warm-up leave less than half of what may be simulated
    to the window."""
    warm_up_s = min(PATIENCE_S, TURNS * settles_s) if model.can_warm_up(load) else 0.0
    sent = (load.users / load.spawn_rate + warm_up_s) * load.users / turn_s
    return simulate(model, load, warm_up_s, load.duration_s) if 2 * sent <= MOST_REQUESTS else None


def simulate_fast_ramp(
    model: ServerModel, load: Load, turn_s: Second, ramp_s: Second
) -> SimulationResult:
    """All start within `ramp_s`: a long ramp of many fast users is mostly repetition."""
    fast = replace(load, spawn_rate=max(load.spawn_rate, load.users / ramp_s))
    most_requests = max(MOST_REQUESTS, TURNS_WITH_WINDOW * load.users)
    return simulate(model, fast, TURNS * turn_s, load.duration_s, most_requests)


def simulate_long_queue(
    model: ServerModel, load: Load, formula: FormulaPrediction
) -> SimulationResult | None:
    """Beyond the knee a user more changes nothing but the queue: every response is longer by what
    it takes to serve him. So as many as fill the server are simulated, and the others' time is
    added. None where it is not so: at the knee and before it, where the newest is served first,
    and where some give up."""
    few = math.ceil(FILLED * formula.knee_users) if formula.knee_users else load.users
    if few >= load.users or model.queue == "lifo" or formula.limited_by == "connections":
        return None
    turn_s, longer_s = (users / formula.ok_rps for users in (few, load.users - few))
    full = replace(load, users=few, spawn_rate=few / turn_s)
    most_requests = max(ENOUGH_REQUESTS, TURNS_WITH_WINDOW * few)
    as_crowded = replace(model, cpu_law=None)
    shown = simulate(as_crowded, full, TURNS * turn_s, load.duration_s, most_requests)
    return None if shown.failures else shown.lengthen(longer_s, model.bystander_tokens)


def simulate_worker_kills(model: ServerModel, load: Load) -> SimulationResult:
    """The window opens about when the first worker is killed, and spans CYCLES deaths."""
    timeout_s = model.worker_timeout_s
    ramp_s = min(load.users / load.spawn_rate, timeout_s)
    window_s = CYCLES * (timeout_s + RESTART_S)
    most_requests = max(MOST_REQUESTS, (CYCLES + 2) * load.users)
    fast = replace(load, spawn_rate=load.users / ramp_s)
    return simulate(model, fast, timeout_s - ramp_s, window_s, most_requests)


def combine_predictions(formula: FormulaPrediction, shown: SimulationResult) -> Prediction:
    """No formula knows of failures: where requests fail, all of it is what the simulation showed,
    good answers as throughput and the times of all answers, good and bad.

    The formula's mean is of a steady state. One above the slowest answers seen says that this was
    not reached, or that some are never served: it would contradict them.
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
    """By Little's law, which says nothing of it where requests fail, and throughput is of the good
    ones, or where some users are never served."""
    if not found.ok_rps or found.mean_ms is None:
        return False
    if found.starved or found.limited_by in FAILING:
        return False
    users = found.ok_rps * (found.mean_ms / 1000 + load.think_s)
    return abs(users - load.users) > LITTLE_TOLERANCE * load.users


def convert_to_ms(value_s: Second | None) -> float | None:
    return None if value_s is None else 1000 * value_s
