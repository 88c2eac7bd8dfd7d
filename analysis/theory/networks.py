"""Closed networks: a fixed number of users, each of whom waits for its answer, thinks, asks again.

Exact for product-form networks: service times at queues random (exponential), those of a pure
delay of any shape. Real service is steadier than that, so real queues are rather shorter.

A station is where a request spends its time. Its demand is the seconds of service that one request
needs there in all, over every visit, without waiting. Its completion rate is in requests a second,
with a given number inside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import numpy.typing as npt

from scenarios.units import Second

Numbers = npt.NDArray[np.float64]
EXACT_UP_TO = 3000
"""Users. The exact solution takes time by their square, some tenths of a second here."""


@dataclass(frozen=True, slots=True)
class MultiServer:
    """Some servers before one waiting line. Threads, connections."""

    name: str
    demand_s: Second
    servers: float


Queue = partial(MultiServer, servers=1)
"""One server; a request that finds it busy waits. A loop, an interpreter."""
Delay = partial(MultiServer, servers=math.inf)
"""As many servers as requests: no request ever waits for one. An upstream that scales, a user's
pause for thought."""


@dataclass(frozen=True, slots=True)
class FlowEquivalent:
    """A whole subsystem seen from outside: `rates[n - 1]` requests a second leave it with n
    inside, the last rate with more than that too.

    Chandy, Herzog and Woo, "Parametric analysis of queuing networks", IBM J. Res. Dev. 19, 1975:
    Norton's theorem for queues. Exact in product-form networks.
    """

    name: str
    rates: tuple[float, ...]


Station = MultiServer | FlowEquivalent


def compute_unloaded_s(station: Station) -> Second:
    """What a request that is alone spends there."""
    return 1 / station.rates[0] if isinstance(station, FlowEquivalent) else station.demand_s


def compute_highest_rps(station: Station) -> float:
    """What the station can do at the most; infinite where nothing in it limits."""
    if isinstance(station, FlowEquivalent):
        return max(station.rates)
    return station.servers / station.demand_s if station.demand_s > 0 else math.inf


@dataclass(frozen=True, slots=True)
class AsymptoticBounds:
    """No model of these stations does better than `throughput_rps` and `response_s`.

    highest_rps: with any number of users; None if nothing but them limits.
    knee_users: N* = (R0 + Z) · highest_rps. Below it more users bring more throughput, above it
      only more waiting; None if there is none.
    limited_by: "users" below the knee, above it the name of the bottleneck.
    """

    throughput_rps: float
    response_s: Second
    highest_rps: float | None
    knee_users: float | None
    limited_by: str


def compute_throughput(users: int, think_s: Second, stations: Sequence[Station]) -> float:
    """Requests a second, as Reiser and Lavenberg's mean-value analysis has them (J. ACM 27, 1980);
    by Little's law the mean response is users / throughput - think time.

    Reached by convolution of logarithms, which gives the same numbers: their recursion for
    stations with many servers takes differences, and shows negative probabilities at some
    hundred users. Above EXACT_UP_TO users an approximation.
    Raises ValueError without users, or if nothing takes any time.
    """
    check_arguments(users, think_s, stations)
    if users > EXACT_UP_TO:
        return approximate_throughput(users, think_s, stations)
    weights = compute_log_weights(think_s, stations, users)
    return math.exp(weights[-2] - weights[-1])


def compute_throughputs(
    most_users: int, think_s: Second, stations: Sequence[Station]
) -> tuple[float, ...]:
    """Requests a second with 1, 2 … `most_users` users, exactly, for the price of the last."""
    check_arguments(most_users, think_s, stations)
    weights = compute_log_weights(think_s, stations, most_users)
    return tuple(float(rate) for rate in np.exp(weights[:-1] - weights[1:]))


def compute_asymptotic_bounds(
    users: int, think_s: Second, stations: Sequence[Station]
) -> AsymptoticBounds:
    """Denning and Buzen, "The operational analysis of queueing network models", ACM Computing
    Surveys 10, 1978. They need no assumption about distributions, only that company makes no
    station faster for each (of a flow equivalent: rates[n - 1] <= n · rates[0])."""
    check_arguments(users, think_s, stations)
    alone_s = sum(compute_unloaded_s(each) for each in stations)
    bottleneck = min(stations, key=compute_highest_rps, default=Delay("users", 0.0))
    highest = compute_highest_rps(bottleneck)
    knee = (alone_s + think_s) * highest
    return AsymptoticBounds(
        throughput_rps=min(users / (alone_s + think_s), highest),
        response_s=max(alone_s, users / highest - think_s),
        highest_rps=highest if math.isfinite(highest) else None,
        knee_users=knee if math.isfinite(knee) else None,
        limited_by="users" if users < knee else bottleneck.name,
    )


def check_arguments(users: int, think_s: Second, stations: Sequence[Station]) -> None:
    if users < 1:
        raise ValueError(f"{users} users: a closed network needs one at least")
    if think_s + sum(compute_unloaded_s(each) for each in stations) <= 0:
        raise ValueError("nothing in this network takes any time: its throughput has no limit")


def compute_log_weights(think_s: Second, stations: Sequence[Station], most: int) -> Numbers:
    """log G(0) … log G(most), the normalising constants (Buzen, Comm. ACM 16, 1973; for rates
    that depend on the number inside, Reiser and Kobayashi, IBM J. Res. Dev. 19, 1975).

    G(n - 1) / G(n) is the throughput with n users. Only sums of positive numbers: nothing
    cancels, and logarithms neither overflow nor underflow.
    """
    everywhere = [Delay("think", think_s), *stations]
    return reduce(convolve_logs, (compute_log_factors(each, most) for each in everywhere))


def compute_log_factors(station: Station, most: int) -> Numbers:
    """log of 1 / (rate with 1 inside · … · rate with n inside), for n = 0 … most. Rates are
    infinite where the demand is 0."""
    if isinstance(station, FlowEquivalent):
        known = station.rates[:most]
        log_rates: Numbers = np.log(known + known[-1:] * (most - len(known)))
    elif station.demand_s == 0:
        log_rates = np.full(most, np.inf)
    else:
        busy = np.minimum(np.arange(1.0, most + 1), station.servers)
        log_rates = np.log(busy) - math.log(station.demand_s)
    return -np.concatenate([[0.0], np.cumsum(log_rates)])


def convolve_logs(a: Numbers, b: Numbers) -> Numbers:
    """log of the convolution of exp(a) and exp(b), as long as they are. Minus infinity stands for
    nothing; the first of each is finite. NumPy's logaddexp.reduce would do the inner sum, in three
    times as long: 0.17 s where this takes 0.06 s, for 3000 users."""
    backwards = b[::-1]
    result = np.empty_like(a)
    for size in range(1, a.size + 1):
        terms = a[:size] + backwards[-size:]
        greatest = terms.max()
        total = 0.0 if math.isinf(greatest) else math.log(np.exp(terms - greatest).sum())
        result[size - 1] = greatest + total
    return result


def approximate_throughput(users: int, think_s: Second, stations: Sequence[Station]) -> float:
    """Schweitzer's fixed point (1979): who arrives sees the queue as it is on average, less its
    own share; found by bisection of the throughput, since users = X · (Z + R(X)) rises with X.

    A station of many servers is one fast server and a pure delay (Seidmann, Schweitzer and
    Shalev-Oren, Performance Evaluation 7, 1987): right with few users and with many, some
    percent too slow about the knee.
    """
    queues_s = [1 / compute_highest_rps(each) for each in stations]
    delays_s = think_s + sum(map(compute_unloaded_s, stations)) - sum(queues_s)
    others = (users - 1) / users
    low, high = 0.0, compute_asymptotic_bounds(users, think_s, stations).throughput_rps
    for _ in range(200):  # more halvings than a float has bits
        middle = (low + high) / 2
        waits_s = sum(queue_s / (1 - others * middle * queue_s) for queue_s in queues_s)
        if middle * (delays_s + waits_s) < users:
            low = middle
        else:
            high = middle
    return low
