"""Workers that share cores."""


def compute_crowding(most: float, cores: int, utilization: float) -> float:
    """Compute how many busy workers per core a busy worker finds, itself included: above 1, it
    computes so many times longer than alone.

    `most`: the number if all of them are busy; at most 1 crowds nobody. `utilization`: of the
    cores, from 0 to 1. Exact for full cores, and for many workers on one or two cores with random
    arrivals and random CPU times (M/M/1 and M/M/2 that share their time).
    """
    if most <= 1:
        return most
    return min(most, 1 / (1 - (1 - 1 / most) * utilization**cores))
