"""Workers that share cores."""

import math
from collections.abc import Callable

from scipy.optimize import brentq


def find_crowding(workers: int, cores: int, count_busy: Callable[[float], float]) -> float:
    """Find how many busy workers per core a busy worker finds, itself included: above 1, it
    computes so many times longer than alone. `count_busy`: the number of busy cores at a crowding,
    which slows the workers down."""
    most = workers / cores
    if most <= 1:
        return most

    def exceed(crowding: float) -> float:
        return compute_crowding(workers, cores, count_busy(crowding)) - crowding

    return brentq(exceed, 1.0, most)


def compute_crowding(workers: float, cores: float, busy_cores: float) -> float:
    """Compute the crowding: from 1 with idle cores to workers / cores with full ones; workers /
    cores also if each worker has a core. Exact for full cores, and for many workers on one or two
    cores with random arrivals and random CPU times (M/M/1 and M/M/2 that share their time)."""
    if workers <= cores:
        return workers / cores
    busy = math.pow(min(1.0, busy_cores / cores), cores)
    return min(workers / cores, 1 / (1 - (1 - cores / workers) * busy))
