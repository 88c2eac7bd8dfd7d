"""Intervals for shares of counts, and for the difference of two that are scaled differently."""

from math import sqrt
from typing import NamedTuple

Z_95 = 1.959964


class Interval(NamedTuple):
    low: float
    estimate: float
    high: float


def compute_share(count: int, total: int) -> Interval:
    """A share of independent draws, with the 95 % interval of E. B. Wilson, "Probable inference"
    (JASA 22, 1927). Of no draws nothing is known."""
    if total == 0:
        return Interval(0.0, 0.0, 1.0)
    share, square = count / total, Z_95 * Z_95 / total
    centre = (share + square / 2) / (1 + square)
    reach = sqrt(square * share * (1 - share) + square * square / 4) / (1 + square)
    return Interval(max(0.0, min(share, centre - reach)), share, min(1.0, centre + reach))


def scale(of: Interval, by: float) -> Interval:
    """`by` is above 0."""
    return Interval(of.low * by, of.estimate * by, of.high * by)


def subtract(one: Interval, other: Interval) -> Interval:
    """The difference of two independent estimates, from their own intervals (MOVER: Zou and Donner,
    "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008)."""
    difference = one.estimate - other.estimate
    below = sqrt((one.estimate - one.low) ** 2 + (other.high - other.estimate) ** 2)
    above = sqrt((one.high - one.estimate) ** 2 + (other.estimate - other.low) ** 2)
    return Interval(difference - below, difference, difference + above)
