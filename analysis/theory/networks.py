"""Closed networks: a fixed number of users, each of whom waits for a response, thinks, and repeats.

Exact for product-form networks: exponential service times at queues, and any distribution at a
pure delay. Real service varies less, so real queues are usually shorter.

A station is where a request spends its time. Its demand is the total service time per request, over
all visits, without waiting. Its completion rate is in requests per second, for a given number
inside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import numpy.typing as npt

from scenarios.units import Second

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MultiServer:
    """Several servers with one queue, such as threads or connections."""

    name: str
    demand_s: Second
    servers: float


Queue = partial(MultiServer, servers=1)
"""One server with a queue, such as an event loop or an interpreter."""
Delay = partial(MultiServer, servers=math.inf)
"""As many servers as requests, without a queue, such as an upstream that scales, or think time."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowEquivalent:
    """A subsystem as one station: `rates[n - 1]` requests per second leave it with n inside; the
    last rate also holds for more.

    Chandy, Herzog and Woo, "Parametric analysis of queuing networks", IBM J. Res. Dev. 19, 1975:
    Norton's theorem for queues. Exact in product-form networks.
    """

    name: str
    rates: Numbers


Station = MultiServer | FlowEquivalent


def compute_unloaded_s(station: Station) -> Second:
    """Compute the time that a request spends there alone."""
    return 1 / float(station.rates[0]) if isinstance(station, FlowEquivalent) else station.demand_s


def compute_highest_rps(station: Station) -> float:
    """Compute the station's maximum rate; infinite where nothing in it limits."""
    if isinstance(station, FlowEquivalent):
        return float(station.rates.max())
    return station.servers / station.demand_s if station.demand_s > 0 else math.inf


@dataclass(frozen=True, slots=True)
class AsymptoticBounds:
    """Bounds of throughput and response time for any model of these stations.

    highest_rps: for any number of users; None if only the users limit.
    knee_users: N* = (R0 + Z) · highest_rps. Below it, more users add throughput, above it only
      waiting; None if there is none.
    limited_by: "users" below the knee, the name of the bottleneck above it.
    """

    throughput_rps: float
    response_s: Second
    highest_rps: float | None
    knee_users: float | None
    limited_by: str


def compute_throughput(users: int, think_s: Second, stations: Sequence[Station]) -> float:
    """Compute requests per second as in Reiser and Lavenberg's mean-value analysis (J. ACM 27,
    1980); by Little's law, the mean response time is users / throughput - think time.

    Sums of logarithms give the same numbers; the original recursion for stations with many servers
    takes differences, and gets negative probabilities from a few hundred users on. It takes a few
    tenths of a second for a million users, but time quadratic in the users with two stations of
    several servers, or with one and a pause.
    Raises ValueError without users, or if nothing takes any time.
    """
    check_arguments(users, think_s, stations)
    fewer, all_there = compute_log_weights(think_s, stations, users, users - 1)
    return math.exp(fewer - all_there)


def compute_throughputs(most_users: int, think_s: Second, stations: Sequence[Station]) -> Numbers:
    """Compute requests per second with 1, 2 … `most_users` users, at the cost of the last one."""
    check_arguments(most_users, think_s, stations)
    weights = compute_log_weights(think_s, stations, most_users)
    return np.exp(weights[:-1] - weights[1:])


def compute_asymptotic_bounds(
    users: int, think_s: Second, stations: Sequence[Station]
) -> AsymptoticBounds:
    """Compute the bounds of Denning and Buzen, "The operational analysis of queueing network
    models", ACM Computing Surveys 10, 1978. They assume no distributions, only that more requests
    make no station faster for each (for a flow equivalent: rates[n - 1] <= n · rates[0])."""
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
        raise ValueError(f"{users} users: a closed network needs at least one")
    if think_s + sum(compute_unloaded_s(each) for each in stations) <= 0:
        raise ValueError("nothing in this network takes any time: its throughput has no limit")


def compute_log_weights(
    think_s: Second, stations: Sequence[Station], most: int, first: int = 0
) -> Numbers:
    """Compute log G(first) … log G(most), the normalising constants (Buzen, Comm. ACM 16, 1973; for
    rates that depend on the number inside, Reiser and Kobayashi, IBM J. Res. Dev. 19, 1975).

    G(n - 1) / G(n) is the throughput with n users. All terms are positive, so nothing cancels, and
    logarithms neither overflow nor underflow.
    """
    by_servers: dict[float, list[Station]] = {1: [], math.inf: [Delay("think", think_s)], 0: []}
    for each in stations:
        servers = each.servers if isinstance(each, MultiServer) else 0
        if servers >= most > 1:
            servers = math.inf  # no request ever waits there; avoids quadratic time
        by_servers[servers if servers in by_servers else 0].append(each)
    pauses_s = sum(map(compute_unloaded_s, by_servers[math.inf]))
    pauses = compute_log_factors(Delay("pauses", pauses_s), most)
    others = [compute_log_factors(each, most) for each in by_servers[0]]
    weights = reduce(convolve_logs, others) if others else pauses
    for queue in by_servers[1]:
        weights = add_queue(weights, compute_unloaded_s(queue))
    return convolve_logs(weights, pauses, first) if others else weights[first:]


def add_queue(weights: Numbers, demand_s: Second) -> Numbers:
    """Add a station with one server: G(n) = G'(n) + demand · G(n - 1) (Buzen)."""
    if demand_s == 0:
        return weights
    powers = math.log(demand_s) * np.arange(weights.size)
    added: Numbers = np.logaddexp.accumulate(weights - powers)
    return added + powers


def compute_log_factors(station: Station, most: int) -> Numbers:
    """Compute log of 1 / (rate with 1 inside · … · rate with n inside), for n = 0 … most. Rates are
    infinite where the demand is 0."""
    if isinstance(station, FlowEquivalent):
        known = np.log(station.rates[:most])
        log_rates: Numbers = np.pad(known, (0, most - known.size), mode="edge")
    elif station.demand_s == 0:
        log_rates = np.full(most, np.inf)
    else:
        busy = np.minimum(np.arange(1.0, most + 1), station.servers)
        log_rates = np.log(busy) - math.log(station.demand_s)
    return -np.concatenate([[0.0], np.cumsum(log_rates)])


def convolve_logs(a: Numbers, b: Numbers, first: int = 0) -> Numbers:
    """Compute log of the convolution of exp(a) and exp(b), of the same length, from index `first`
    on. Minus infinity means 0; the first of each is finite. NumPy's logaddexp.reduce could do the
    inner sum in three times the time: 0.17 s instead of 0.06 s for 3000 users."""
    backwards = b[::-1]
    result = np.empty(a.size - first)
    for place in range(first, a.size):
        terms = a[: place + 1] + backwards[-place - 1 :]
        greatest = terms.max()
        total = 0.0 if math.isinf(greatest) else math.log(np.exp(terms - greatest).sum())
        result[place - first] = greatest + total
    return result
