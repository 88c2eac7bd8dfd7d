"""Intervals for shares of counts, and for the difference of two shares with different scales."""

from math import sqrt
from typing import NamedTuple

Z_95 = 1.959964


class Interval(NamedTuple):
    low: float
    estimate: float
    high: float


def compute_share(count: int, total: int) -> Interval:
    """Compute a share of independent draws, with the 95 % interval of E. B. Wilson, "Probable
    inference" (JASA 22, 1927); 0 to 1 without draws."""
    if total == 0:
        return Interval(0.0, 0.0, 1.0)
    share, square = count / total, Z_95 * Z_95 / total
    centre = (share + square / 2) / (1 + square)
    reach = sqrt(square * share * (1 - share) + square * square / 4) / (1 + square)
    return Interval(max(0.0, min(share, centre - reach)), share, min(1.0, centre + reach))


def scale(of: Interval, by: float) -> Interval:
    """Scale by a factor above 0."""
    return Interval(of.low * by, of.estimate * by, of.high * by)


def subtract(one: Interval, other: Interval) -> Interval:
    """Subtract two independent estimates, given their intervals (MOVER: Zou and Donner,
    "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008)."""
    difference = one.estimate - other.estimate
    below = sqrt((one.estimate - one.low) ** 2 + (other.high - other.estimate) ** 2)
    above = sqrt((one.high - one.estimate) ** 2 + (other.estimate - other.low) ** 2)
    return Interval(difference - below, difference, difference + above)
