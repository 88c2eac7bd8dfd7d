"""When the requests of an open loop are due. Pure: the clock is asked elsewhere."""

import random
from collections.abc import Iterator
from itertools import accumulate, count

from scenarios.model import Arrivals
from scenarios.units import Second


def generate_due_times(
    arrivals: Arrivals, rate: float, processes: int, process: int, seed: int
) -> Iterator[Second]:
    """Seconds since the beginning, for ever; the part of one of several load processes.

    constant: process i of n takes each n-th request, so that together they are evenly spaced.
    poisson: each process draws gaps of its own; streams without memory add up to one without.
    """
    if arrivals == "constant":
        return ((number * processes + process) / rate for number in count())
    source = random.Random(f"{seed}/{process}")
    return accumulate(source.expovariate(rate / processes) for _ in count())
