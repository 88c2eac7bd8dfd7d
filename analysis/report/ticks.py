"""Ticks of a logarithmic axis."""

from collections.abc import Sequence
from math import floor, log10

FACTORS = (
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 4, 5, 7),
    (1, 2, 3, 5),
    (1, 2, 5),
    (1, 3),
    (1,),
)
"""Multiples of a power of ten, from dense to sparse; the densest suit an axis that spans a third of
its value."""


def list_log_ticks(low: float, high: float, most: int) -> Sequence[float]:
    """List at most `most` ticks from `low` to `high`, both positive: powers of ten, with ticks
    between them if there are few."""
    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    inside = list[float]()
    for factors in FACTORS:
        places = [factor * 10.0**power for power in powers for factor in factors]
        inside = [each for each in places if low <= each <= high]
        if len(inside) <= most:
            break
    return inside[:: 1 + (len(inside) - 1) // most] if inside else inside
