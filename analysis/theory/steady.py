"""What `study predict` says: what any run comes to that lasts long enough, whatever its ramp.

One number of users has the rate and the mean that it has in a range: those of `compute_curve`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

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
from analysis.theory.ordered import GivesUpError, keeps_order, simulate_closed_loop
from analysis.theory.prediction import FAILING, PATIENCE_S, compute_prediction
from analysis.theory.prediction_range import scale_cpu_to_load
from analysis.theory.reasons import OVERLOADED
from records.prediction import OverloadLatencies, OverloadPrediction, Prediction
from scenarios.errors import UserError
from scenarios.model import Load
from scenarios.units import Second, format_duration

KILLS = "gunicorn kills a worker whose event loop gives no heartbeat within --worker-timeout"
MOST_SIMULATED = 20_000
"""Users of a simulation with events: it takes 0.1 ms of CPU for each request."""


def find_failure(model: ServerModel, users: int) -> str | None:
    """Why there is no steady state: what keeps failing, in words. The heartbeat of a worker waits
    for the interpreter as half of a request does."""
    if model.times_out:
        return f"each request fails: the client gives up after {format_duration(model.held_s)}"
    share = math.ceil(users / model.workers)
    inside = min(share, model.pool) if model.needs_tokens else share
    queue_s = (inside * model.loop_cpu_s - model.undisturbed_s) / 2
    late = 0 < model.worker_timeout_s < queue_s
    if model.blocks:
        late = model.is_killed_sometime_by(users)
    if not late:
        return None
    return (
        f"no steady state with {users:,} users: {KILLS} {format_duration(model.worker_timeout_s)}"
    )


def compute_steady_curve(model: ServerModel, load: Load, users: Sequence[int]) -> Curve:
    """Raises UserError where none of so many users has a steady state."""
    failures = {
        each: find_failure(model.scale_cpu_to_users(each, load.think_s), each) for each in users
    }
    steady = [each for each, failure in failures.items() if failure is None]
    first = next((failure for failure in failures.values() if failure), None)
    if first and not steady:
        raise UserError(f"--users: {first}; give one number of them")
    found = compute_curve(model, steady, load.think_s, load.think_spread_s)
    return replace(found, ends_because=first)


def predict_steady_state(model: ServerModel, load: Load) -> Prediction:
    """Where workers die again and again, or all requests fail, that is what lasts: a simulation
    shows it. Raises ValueError if a request takes no time."""
    if load.arrival_rate is not None:
        return predict_arrivals(model, load, load.arrival_rate)
    crowded = scale_cpu_to_load(model, load)
    failure = find_failure(crowded, load.users)
    if failure is not None:
        return predict_failures(model, load, failure)
    found = compute_curve(crowded, [load.users], load.think_s, load.think_spread_s)
    (point,) = found.points
    steady = Prediction(
        ok_rps=point.ok_rps,
        mean_ms=1000 * point.mean_s,
        ceiling_rps=found.highest_rps,
        limited_by=point.limited_by,
        starved=None if model.queue == "lifo" else 0,
        cpu_ms=1000 * model.loop_cpu_s,
        transient=False,
    )
    if not keeps_order(crowded):
        return add_run_quantiles(steady, model, load, found.knee_users)
    try:
        median_s, p99_s = simulate_quantiles(crowded, load, found)
    except GivesUpError:
        return add_run_quantiles(steady, model, load, found.knee_users)
    why = describe_short_run(load.users / point.ok_rps)
    return replace(steady, median_ms=1000 * median_s, p99_ms=1000 * p99_s, reason=why)


def predict_arrivals(model: ServerModel, load: Load, rate: float) -> Prediction:
    """Raises UserError where the length of the test was given and does not matter."""
    tightest = find_bottleneck(scale_cpu_to_load(model, load))
    capacity = model.workers * compute_highest_rps(tightest)
    if rate < capacity:
        if load.requests is None:
            return compute_prediction(model, load)
        raise UserError(
            f"--requests {load.requests}: {rate:g}/s are less than the {capacity:.1f}/s that are "
            "served, so that no latency depends on the length of the test; leave it out"
        )
    requests = load.requests or round(rate * load.duration_s)
    found = compute_overload(model, requests, capacity, rate)
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
    """Request k arrives at k / rate and is served at k / capacity: first come, first served, and
    as even as a fluid. The mean is the median."""
    longest_s = requests * (1 / capacity - 1 / rate)
    p10, p50, p99, most = (
        1000 * (share * longest_s + model.undisturbed_s) for share in (0.1, 0.5, 0.99, 1.0)
    )
    return OverloadLatencies(requests, p10, p50, p99, most)


def describe_short_run(turn_s: Second) -> str | None:
    if turn_s <= PATIENCE_S:
        return None
    return (
        f"a turn of all users takes {turn_s:,.0f} s: a run whose warm-up is shorter shows other "
        "latencies, those of its growing queue"
    )


def predict_failures(model: ServerModel, load: Load, why: str) -> Prediction:
    if load.users <= MOST_SIMULATED:
        return compute_prediction(model, load)
    limit = FAILING[1] if model.times_out else FAILING[0]
    cpu_ms = 1000 * model.loop_cpu_s
    return Prediction(limited_by=limit, cpu_ms=cpu_ms, reason=why)


def add_run_quantiles(
    steady: Prediction, model: ServerModel, load: Load, knee_users: float | None
) -> Prediction:
    """From a simulated run, if that reaches the steady state; all of it where requests fail or
    users starve, of which no formula knows. Where the newest is served first, more users than fill
    the server only starve."""
    few = load.users
    if model.queue == "lifo" and knee_users:
        few = min(load.users, math.ceil(FILLED * knee_users))
    if few > MOST_SIMULATED:
        return replace(steady, reason=f"no quantiles: {load.users:,} users are not simulated here")
    run = compute_prediction(model, replace(load, users=few))
    if run.limited_by in FAILING:
        return run
    if run.starved:
        return replace(run, starved=run.starved + load.users - few)
    if run.transient:
        return replace(steady, reason="no quantiles: a run of this length is no steady state")
    return replace(run, ok_rps=steady.ok_rps, mean_ms=steady.mean_ms)


def simulate_quantiles(model: ServerModel, load: Load, curve: Curve) -> tuple[Second, Second]:
    """Median and p99. Raises GivesUpError."""
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
    """Of one worker. Beyond the knee a user more changes nothing but the queue: every response is
    longer by what it takes to serve it, and varies as a sum of so many services does. So as many
    users as fill the server are simulated."""
    users = min(load.users, math.ceil(FILLED * knee) if math.isfinite(knee) else load.users)
    found_s = simulate_closed_loop(model, replace(load, users=users), users / rate).responses_s
    longer_s = (load.users - users) / rate
    mean_s = float(found_s.mean())
    stretched: Numbers = mean_s + longer_s + (found_s - mean_s) * math.sqrt(load.users / users)
    return stretched
