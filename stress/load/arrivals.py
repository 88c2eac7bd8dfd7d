"""When the requests of an open loop are due. Pure: the clock is asked elsewhere."""

import random
from collections.abc import Iterator
from itertools import count

from scenarios.model import Arrivals
from scenarios.units import Second


def generate_due_times(
    arrivals: Arrivals, rate: float, processes: int, process: int, seed: int
) -> Iterator[Second]:
    """Seconds since the beginning, for ever; the part of one of several load processes.

    constant: process i of n takes each n-th request, so that together they are evenly spaced.
    poisson: each process draws gaps of its own; streams without memory add up to one without.
    """
    own_rate = rate / processes
    if arrivals == "constant":
        return ((number * processes + process) / rate for number in count())
    return generate_poisson_times(own_rate, random.Random(f"{seed}/{process}"))


def generate_poisson_times(rate: float, source: random.Random) -> Iterator[Second]:
    due_s = 0.0
    while True:
        due_s += source.expovariate(rate)
        yield due_s
