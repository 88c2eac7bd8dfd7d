"""Queueing theory of a web server: stations of a worker, growing users, random arrivals."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from analysis.theory.model import ServerModel
from analysis.theory.networks import (
    Delay,
    FlowEquivalent,
    MultiServer,
    Queue,
    Station,
    compute_asymptotic_bounds,
    compute_highest_rps,
    compute_throughput,
    compute_throughputs,
)
from analysis.theory.ordered import (
    GivesUpError,
    TooManyUsersError,
    is_product_form,
    keeps_order,
    simulate_closed_loop,
)
from scenarios.errors import UserError
from scenarios.model import Load
from scenarios.units import Second

MOST_USERS = 10_000_000
FILLED = 4
"""Multiple of the users at the knee that certainly fills a server."""


def build_stations(model: ServerModel, most: int = MOST_USERS) -> tuple[Station, ...]:
    """Build the stations of one worker. Client timeouts, killed workers and the order of the pool's
    queue have no formula: see `analysis.theory.simulation`. Raises ValueError if a request takes no
    time.

    A request that holds a token of the pool may still wait for the interpreter or a connection, so
    a pool is the flow equivalent of its inner stations, with at most its tokens inside. It has the
    name of what fills first: itself, or an inner station. `most`: maximum number of requests.
    """
    if model.blocks:
        return (Queue("blocked loop", model.loop_cpu_s + model.held_s),)
    if model.answers_first:
        return (build_interpreter(model),)
    inside = (build_interpreter(model), build_upstream(model))
    if model.style == "async def":
        return inside
    tokens = min(model.pool, most)
    first_full = compute_asymptotic_bounds(tokens, 0.0, inside).limited_by
    name = "pool" if first_full == "users" else first_full
    return (FlowEquivalent(name, compute_throughputs(tokens, 0.0, inside)),)


def build_interpreter(model: ServerModel) -> Station:
    """Spread the time of rare blocking requests over all requests."""
    blocked_s = model.blocked_by_rare_s
    name = "blocked loop" if blocked_s > model.loop_cpu_s else "interpreter"
    return Queue(name, model.loop_cpu_s + blocked_s)


def build_upstream(model: ServerModel) -> Station:
    """Exclude the requests that block the loop: they do not wait here."""
    delay_s = model.delay_s - model.blocked_by_rare_s
    if model.connections is None:
        return Delay("upstream", delay_s)
    return MultiServer("connections", delay_s, model.connections)


def find_bottleneck(model: ServerModel) -> Station:
    """Find the station of one worker with the lowest maximum rate."""
    return min(build_stations(model), key=compute_highest_rps)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`mean_s`: response time without think time. `limited_by`: "users", or the name of the full
    station."""

    users: int
    ok_rps: float
    mean_s: Second
    limited_by: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in order of users. `knee_users`: Denning and Buzen's N*, from which more users add
    waiting and hardly any throughput. It and `highest_rps` are None where only the users limit."""

    points: tuple[CurvePoint, ...]
    knee_users: float | None
    highest_rps: float | None
    ends_because: str | None = None
    """Why some of the requested numbers of users have no point: no steady state."""


def parse_users(text: str) -> tuple[int, ...]:
    """Parse `500`, or `100..100000` for about five steps per power of ten. Raises UserError."""
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text.strip(), re.ASCII)
    if match is None:
        raise UserError(f"--users {text!r}: give a number, or a range such as 100..100000")
    low, high = float(match[1]), float(match[2] or match[1])
    if not 1 <= low <= high <= MOST_USERS:
        raise UserError(
            f"--users {text}: give numbers from 1 to {MOST_USERS}, the smaller one first"
        )
    return build_users_grid(int(low), int(high))


def build_users_grid(low: int, high: int, per_decade: int = 5) -> tuple[int, ...]:
    """Build numbers of users with about equal ratios, including `low` and `high`."""
    if not 1 <= low <= high:
        raise ValueError(f"users from {low} to {high}: need 1 <= low <= high")
    steps = max(1, math.ceil(per_decade * math.log10(high / low)))
    grid = {round(low * (high / low) ** (step / steps)) for step in range(steps + 1)}
    return tuple(sorted(grid | {low, high}))


def compute_curve(
    model: ServerModel, users: Sequence[int], think_s: Second = 0.0, think_spread_s: Second = 0.0
) -> Curve:
    """Compute a curve with the users divided among the workers, which share only the cores. Raises
    ValueError if a request takes no time."""
    load = Load(think_s=think_s, think_spread_s=think_spread_s)
    most = math.ceil(max(users) / model.workers)

    @cache  # one for all numbers of users, unless the CPU per request depends on them
    def build(crowded: ServerModel) -> tuple[Station, ...]:
        return build_stations(crowded, most)

    one = compute_asymptotic_bounds(1, think_s, build_stations(model.scale_cpu_to_rate()))
    crowds = [(model.scale_cpu_to_users(count, think_s), count) for count in sorted(set(users))]
    points = tuple(
        compute_curve_point(crowded, replace(load, users=count), build(crowded))
        for crowded, count in crowds
    )
    # more requests in flight may cost less CPU each than those that just fill the server
    most_rps = max(each.ok_rps for each in points)
    return Curve(
        points,
        knee_users=one.knee_users and model.workers * one.knee_users,
        highest_rps=one.highest_rps and max(most_rps, model.workers * one.highest_rps),
    )


def compute_curve_point(model: ServerModel, load: Load, stations: Sequence[Station]) -> CurvePoint:
    rate = sum(
        of * compute_worker_rps(model, replace(load, users=share), stations)
        for share, of in deal_out_users(load.users, model.workers)
    )
    most = math.ceil(load.users / model.workers)
    limit = compute_asymptotic_bounds(most, load.think_s, stations).limited_by
    if limit == "pool" and model.pool >= most:
        limit = "users"  # with one thread per user, the pool is full but no request waits
    return CurvePoint(load.users, rate, load.users / rate - load.think_s, limit)


def deal_out_users(users: int, workers: int) -> list[tuple[int, int]]:
    """Return pairs of users per worker and the number of such workers, without idle workers."""
    few, one_more = divmod(users, workers)
    shares = ((few, workers - one_more), (few + 1, one_more))
    return [(share, of) for share, of in shares if share > 0 and of > 0]


def compute_worker_rps(model: ServerModel, load: Load, stations: Sequence[Station]) -> float:
    """Use the formula where it is exact, where all servers are always busy, or with too many users;
    otherwise run the recursion, whose random error is much smaller than the formula's."""
    rate = compute_throughput(load.users, load.think_s, stations)
    bounds = compute_asymptotic_bounds(load.users, load.think_s, stations)
    full = bounds.knee_users is not None and load.users > FILLED * bounds.knee_users
    if full or is_product_form(model, load) or not keeps_order(model):
        return rate
    try:
        found = simulate_closed_loop(model, load, load.users / rate).ok_rps
    except (GivesUpError, TooManyUsersError):
        return rate
    return min(found, bounds.throughput_rps)


def estimate_poisson_mean_s(model: ServerModel, rate: float) -> Second | None:
    """Estimate the mean response time of one worker: CPU and delay, and the waits for the
    interpreter, a connection and a token of the pool. None beyond capacity.

    Random arrivals divided among workers at random stay random, and so do departures from a queue
    with random service (P. J. Burke, Operations Research 4, 1956).
    """
    cpu_s, held_s = model.loop_cpu_s, model.undisturbed_s
    if model.blocks:
        return add_queue_wait_s(rate, held_s, cpu_s, 1)
    cpu_wait_s = estimate_mgc_wait_s(rate, cpu_s, 1.0, 1)
    connection_wait_s = (
        0.0
        if model.connections is None
        else estimate_mgc_wait_s(rate, model.delay_s, 0.0, model.connections)
    )
    if cpu_wait_s is None or connection_wait_s is None:
        return None
    inside_s = cpu_wait_s + connection_wait_s + held_s
    return add_queue_wait_s(rate, inside_s, cpu_s, model.pool) if model.needs_tokens else inside_s


def add_queue_wait_s(rate: float, service_s: Second, cpu_s: Second, servers: int) -> Second | None:
    """Add the wait for one of the servers to the service time. Only the CPU part of the service
    varies: its two random halves have half the variance of one exponential."""
    scv = cpu_s**2 / 2 / service_s**2 if service_s > 0 else 0.0
    wait_s = estimate_mgc_wait_s(rate, service_s, scv, servers)
    return None if wait_s is None else wait_s + service_s


def compute_erlang_b(load: float, servers: int) -> float:
    """Compute the share of Poisson arrivals that find all servers busy and are lost (M/G/c/c).
    `load`: in erlangs, arrivals per second × seconds of service. The recursion neither overflows
    nor cancels (A. K. Erlang, 1917)."""
    lost = 1.0
    for count in range(1, servers + 1):
        lost = load * lost / (count + load * lost)
    return lost


def compute_erlang_c(load: float, servers: int) -> float | None:
    """Compute the share of Poisson arrivals that find all servers busy and wait (M/M/c). `load`: in
    erlangs, the mean number of busy servers. None without a steady state: load >= servers."""
    if load >= servers:
        return None
    lost, busy = compute_erlang_b(load, servers), load / servers
    return lost / (1 - busy * (1 - lost))


def estimate_mgc_wait_s(
    rate_per_s: float, service_mean_s: Second, service_scv: float, servers: int
) -> Second | None:
    """Estimate the mean wait for a server, without the service, for Poisson arrivals.

    `service_scv`: squared coefficient of variation of the service time, variance over squared mean;
    0 for a constant, 1 for exponential. Allen and Cunneen's approximation (A. O. Allen,
    Probability, Statistics, and Queueing Theory, 2nd ed., 1990) is exact for M/M/c, and for M/G/1,
    where it is the Pollaczek-Khinchine formula. None without a steady state.
    """
    if service_mean_s == 0:
        return 0.0
    waiting = compute_erlang_c(rate_per_s * service_mean_s, servers)
    if waiting is None:
        return None
    spare_per_s = servers / service_mean_s - rate_per_s
    return waiting / spare_per_s * (1 + service_scv) / 2
