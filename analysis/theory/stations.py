"""Where a request spends its time, as queueing theory sees it.

A station's demand is the seconds of service that one request needs there in all, over every
visit, without waiting. Its completion rate is in requests a second, with a given number inside.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from scenarios.units import Second

Numbers = npt.NDArray[np.float64]


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


def compute_log_rates(station: Station, most: int) -> Numbers:
    """Logarithms of the requests a second that leave it with 1, 2 … `most` inside. Infinite
    where the demand is 0."""
    if isinstance(station, FlowEquivalent):
        known = station.rates[:most]
        return np.log(known + known[-1:] * (most - len(known)))
    if station.demand_s == 0:
        return np.full(most, np.inf)
    busy: Numbers = np.minimum(np.arange(1.0, most + 1), station.servers)
    return np.log(busy) - math.log(station.demand_s)


def compute_unloaded_s(station: Station) -> Second:
    """What a request that is alone spends there."""
    return 1 / station.rates[0] if isinstance(station, FlowEquivalent) else station.demand_s


def compute_highest_rps(station: Station) -> float:
    """What the station can do at the most; infinite where nothing in it limits."""
    if isinstance(station, FlowEquivalent):
        return max(station.rates)
    return station.servers / station.demand_s if station.demand_s > 0 else math.inf
