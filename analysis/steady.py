"""Is the window a steady state? Where the warm-up ends, and whether what follows still drifts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

BATCH = 5
PARTS = 20
"""Neighbours in a queue wait about as long as each other; the means of a twentieth of the window
hardly know of each other any more, which is what a test for a trend asks for."""
TREND_CHANCE = 0.01
MATTERS = 0.05
"""A trend must be both certain and large: thousands of requests make a trend of 0.1 % certain."""


def warm_up_length(values: Values) -> int | None:
    """How many of the first values belong to the warm-up, by MSER-5; None if it cannot be told.

    The cut is where the squared standard error of the mean of what remains is smallest, sought
    among the means of each five values in the order of time. A cut in the second half is no cut:
    the series is then too short, or as unsteady at its end as at its beginning (White, Simulation
    69, 1997; White, Cobb and Spratt, Winter Simulation Conference 2000).
    """
    batches = len(values) // BATCH
    if batches < 2 * BATCH:
        return None
    means = values[: batches * BATCH].reshape(batches, BATCH).mean(axis=1)
    remaining = np.arange(batches, 0, -1)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    spread = np.maximum(squares - sums**2 / remaining, 0.0)
    errors = spread[:-BATCH] / remaining[:-BATCH] ** 2  # the last few batches agree by chance
    best = int(np.argmin(errors))
    return None if best > batches // 2 else best * BATCH


def cut_that_matters(values: Values, already: int) -> int:
    """How many of the first values to leave out, where `already` of them are left out anyway.

    What MSER-5 would cut beyond `already` is cut only if its median is off by more than 5 % from
    the median of the rest. A warm-up is another level; a stall at the window's beginning is a
    few long answers, moves the mean and is no warm-up: to cut it would be to hide it.
    """
    cut = warm_up_length(values)
    if cut is None or cut <= already:
        return already
    before, rest = float(np.median(values[already:cut])), float(np.median(values[cut:]))
    return cut if abs(before - rest) > MATTERS * rest else already


@dataclass(frozen=True, slots=True)
class Drift:
    """share: the change over the whole series, by the Theil–Sen slope, over its mean (Sen 1968).
    chance: how likely a trend like this is where there is none (Kendall's test; Mann 1945)."""

    share: float
    chance: float

    @property
    def matters(self) -> bool:
        return self.chance < TREND_CHANCE and abs(self.share) > MATTERS


def drift(values: Values) -> Drift | None:
    """Of a series in the order of time, judged by the means of its twentieths; None if it is too
    short to tell. A median of slopes, so that one stall does not look like a trend."""
    if len(values) < 2 * PARTS:
        return None
    return trend(np.array([part.mean() for part in np.array_split(values, PARTS)]))


def trend(parts: Values) -> Drift:
    """Of a figure's values in equal parts of the window, in the order of time."""
    from scipy.stats import kendalltau, theilslopes  # a second to import, for reports only

    level = float(parts.mean())
    if level == 0 or np.ptp(parts) == 0:
        return Drift(0.0, 1.0)
    positions = np.arange(len(parts))
    slope = float(theilslopes(parts, positions).slope)
    return Drift(slope * len(parts) / level, float(kendalltau(positions, parts).pvalue))
