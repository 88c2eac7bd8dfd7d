"""The prediction of `study predict`: the steady state of a long run, whatever its ramp.

A single number of users has the same rate and mean as in a range: those of `compute_curve`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.stats.quantiles import estimate_quantile
from analysis.theory.formulas import (
    FILLED,
    Curve,
    compute_curve,
    deal_out_users,
    find_bottleneck,
)
from analysis.theory.model import ServerModel
from analysis.theory.networks import Numbers, compute_highest_rps
from analysis.theory.ordered import (
    GivesUpError,
    TooManyUsersError,
    keeps_order,
    simulate_closed_loop,
)
from analysis.theory.prediction import FAILING, PATIENCE_S, compute_prediction
from analysis.theory.prediction_range import scale_cpu_to_load
from analysis.theory.reasons import OVERLOADED
from records.prediction import OverloadLatencies, OverloadPrediction, Prediction
from scenarios.errors import UserError
from scenarios.model import Load
from scenarios.units import Second, format_duration

KILLS = "gunicorn kills a worker whose event loop sends no heartbeat within --worker-timeout"
NOT_SIMULATED = "no quantiles: {:,} users are not simulated here"
MOST_SIMULATED = 20_000
"""Users of an event simulation, which takes 0.1 ms of CPU per request."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What keeps failing. `limit`: one of FAILING."""

    limit: str
    reason: str


def find_failure(model: ServerModel, users: int, think_s: Second = 0.0) -> Failure | None:
    """Find what keeps failing; None with a steady state. Requests queue for the connections or for
    the interpreter, whichever serves fewer per second. A worker's heartbeat waits for the
    interpreter like half of a request."""
    kills, timeout = FAILING
    if model.times_out:
        gives_up = f"the client gives up after {format_duration(model.held_s)}"
        return Failure(timeout, f"every request fails: {gives_up}")
    connection_s = 0.0 if model.connections is None else model.delay_s / model.connections
    # a blocked loop has one call at a time, and work after the response fails no request
    interpreter_s = model.loop_cpu_s + model.blocked_by_rare_s
    if connection_s > interpreter_s and not (model.blocks or model.answers_first):
        patience_s = model.client_timeout_s or math.inf
        if estimate_wait_s(model, users, think_s, connection_s) <= patience_s:
            return None
        return Failure(
            timeout,
            f"requests fail with {users:,} users: the client gives up after waiting "
            f"{format_duration(patience_s)} for one of its {model.connections:,} connections",
        )
    late_s = estimate_wait_s(model, users, think_s, model.loop_cpu_s) / 2
    late = 0 < model.worker_timeout_s < late_s
    if not (model.is_killed_sometime_by(users) if model.blocks else late):
        return None
    why = f"{KILLS} {format_duration(model.worker_timeout_s)}"
    return Failure(kills, f"no steady state with {users:,} users: {why}")


def estimate_wait_s(model: ServerModel, users: int, think_s: Second, each_s: Second) -> Second:
    """Estimate the wait for the station that limits a worker to one request per `each_s`. By
    Little's law, the requests inside the worker take `each_s` times their number."""
    inside_s = math.ceil(users / model.workers) * each_s - think_s
    if model.needs_tokens:
        inside_s = min(inside_s, model.pool * each_s)
    return inside_s - model.undisturbed_s


def compute_steady_curve(model: ServerModel, load: Load, users: Sequence[int]) -> Curve:
    """Raise UserError if no number of users has a steady state."""
    failures = {
        each: find_failure(model.scale_cpu_to_users(each, load.think_s), each, load.think_s)
        for each in users
    }
    steady = [each for each, failure in failures.items() if failure is None]
    first = next((failure for failure in failures.values() if failure), None)
    if first and not steady:
        raise UserError(f"--users: {first.reason}; give a single number of users")
    found = compute_curve(model, steady, load.think_s, load.think_spread_s)
    return replace(found, ends_because=first.reason if first else None)


def predict_steady_state(model: ServerModel, load: Load) -> Prediction:
    """Predict the steady state, by simulation where workers die repeatedly or all requests fail.
    Raises ValueError if a request takes no time."""
    if load.arrival_rate is not None:
        return predict_arrivals(model, load, load.arrival_rate)
    crowded = scale_cpu_to_load(model, load)
    failure = find_failure(crowded, load.users, load.think_s)
    if failure is not None:
        return predict_failures(model, load, failure)
    found = compute_curve(model, [load.users], load.think_s, load.think_spread_s)
    (point,) = found.points
    steady = Prediction(
        ok_rps=point.ok_rps,
        mean_ms=1000 * point.mean_s,
        ceiling_rps=found.highest_rps,
        limited_by=point.limited_by,
        starved=None if model.serves_newest_first else 0,
        cpu_ms=1000 * model.loop_cpu_s,
        transient=False,
    )
    if not keeps_order(crowded):
        return add_run_quantiles(steady, model, load, found.knee_users)
    try:
        median_s, p99_s = simulate_quantiles(crowded, load, found)
    except (GivesUpError, TooManyUsersError):
        return add_run_quantiles(steady, model, load, found.knee_users)
    why = describe_short_run(load.users / point.ok_rps)
    return replace(steady, median_ms=1000 * median_s, p99_ms=1000 * p99_s, reason=why)


def predict_arrivals(model: ServerModel, load: Load, rate: float) -> Prediction:
    """Raise UserError if the length of the test was given but does not matter."""
    settled = scale_cpu_to_load(model, load)
    tightest = find_bottleneck(settled)
    capacity = model.workers * compute_highest_rps(tightest)
    if rate < capacity:
        if load.requests is None:
            return compute_prediction(model, load)
        raise UserError(
            f"--requests {load.requests}: leave it out; {rate:g}/s is below the capacity, so no "
            "latency depends on the length of the test"
        )
    requests = load.requests or round(rate * load.duration_s)
    found = compute_overload(settled, requests, capacity, rate)
    patience_s = (tightest.name == "connections" and model.client_timeout_s) or math.inf
    if model.times_out or found.max_ms > 1000 * patience_s:
        return compute_prediction(model, load)
    waits_for_loop = tightest.name in ("interpreter", "blocked loop")
    killed = waits_for_loop and 0 < 1000 * model.worker_timeout_s < found.max_ms
    kills = f"; {KILLS} {format_duration(model.worker_timeout_s)}" if killed else ""
    return OverloadPrediction(
        ok_rps=capacity,
        mean_ms=found.p50_ms,
        median_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        ceiling_rps=capacity,
        limited_by=tightest.name,
        cpu_ms=1000 * model.loop_cpu_s,
        reason=f"{OVERLOADED}{kills}",
        overload=found,
    )


def compute_overload(
    model: ServerModel, requests: int, capacity: float, rate: float
) -> OverloadLatencies:
    """Assume that request k arrives at k / rate and is served at k / capacity, first come, first
    served, like a fluid. The mean equals the median."""
    longest_s = requests * (1 / capacity - 1 / rate)
    p10, p50, p99, most = (
        1000 * (share * longest_s + model.undisturbed_s) for share in (0.1, 0.5, 0.99, 1.0)
    )
    return OverloadLatencies(requests, p10, p50, p99, most)


def describe_short_run(turn_s: Second) -> str | None:
    if turn_s <= PATIENCE_S:
        return None
    return (
        f"serving every user once takes {turn_s:,.0f} s: a run with a shorter warm-up shows the "
        "latencies of its growing queue instead"
    )


def predict_failures(model: ServerModel, load: Load, failure: Failure) -> Prediction:
    """Return a simulated run if it shows the failures: its window may end before they begin."""
    run = compute_prediction(model, load) if load.users <= MOST_SIMULATED else None
    if run is not None and run.median_ms is not None and run.limited_by in FAILING:
        return run
    cpu_ms = 1000 * model.loop_cpu_s
    return Prediction(limited_by=failure.limit, cpu_ms=cpu_ms, reason=failure.reason)


def add_run_quantiles(
    steady: Prediction, model: ServerModel, load: Load, knee_users: float | None
) -> Prediction:
    """Add quantiles from a simulated run, if it reaches the steady state. Use all of the run's
    figures where requests fail or users starve, which no formula covers. With a last-in-first-out
    queue, users beyond those who fill the server only starve."""
    few = load.users
    if model.serves_newest_first and knee_users:
        few = min(load.users, math.ceil(FILLED * knee_users))
    if few > MOST_SIMULATED:
        return replace(steady, reason=NOT_SIMULATED.format(load.users))
    run = compute_prediction(model, replace(load, users=few))
    if run.limited_by in FAILING:
        return run
    if run.starved:
        return replace(run, starved=run.starved + load.users - few)
    if few < load.users:  # the run has no starved users: its latencies are not those of all users
        return replace(steady, reason=NOT_SIMULATED.format(load.users))
    if run.transient:
        return replace(steady, reason="no quantiles: a run of this length reaches no steady state")
    return replace(run, ok_rps=steady.ok_rps, mean_ms=steady.mean_ms)


def simulate_quantiles(model: ServerModel, load: Load, curve: Curve) -> tuple[Second, Second]:
    """Return median and p99. Raises GivesUpError, TooManyUsersError."""
    (point,) = curve.points
    values_s, weights = [], []
    for users, of in deal_out_users(load.users, model.workers):
        knee = (curve.knee_users or math.inf) / model.workers
        rate = point.ok_rps * users / load.users
        found = simulate_responses(model, replace(load, users=users), rate, knee)
        values_s.append(found)
        weights.append(np.full(found.size, of * users / found.size))
    every_s, shares = np.concatenate(values_s), np.concatenate(weights)
    median_s, p99_s = (estimate_quantile(every_s, q, shares) for q in (0.5, 0.99))
    assert median_s is not None
    assert p99_s is not None
    return median_s, p99_s


def simulate_responses(model: ServerModel, load: Load, rate: float, knee: float) -> Numbers:
    """Simulate one worker with at most as many users as fill it. Beyond the knee, each further user
    only lengthens the queue: every response grows by one service time, and varies like a sum of so
    many service times. Raises GivesUpError, TooManyUsersError."""
    if math.isinf(knee):  # nothing limits: no request waits, and none needs CPU, which varies
        return np.array([model.undisturbed_s])
    users = min(load.users, math.ceil(FILLED * knee))
    found_s = simulate_closed_loop(model, replace(load, users=users), users / rate).responses_s
    longer_s = (load.users - users) / rate
    mean_s = float(found_s.mean())
    stretched: Numbers = mean_s + longer_s + (found_s - mean_s) * math.sqrt(load.users / users)
    return stretched
