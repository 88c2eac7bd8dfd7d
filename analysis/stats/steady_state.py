"""Tests of a steady state: where the warm-up ends, and whether the window still drifts after it."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from scenarios.units import Second

Values = npt.NDArray[np.float64]

BATCH = 5
BLOCKS = 40
MOST_PARTS, FEWEST_PARTS = 20, 8
"""A window is judged by the means of its parts. Each is at least as long as a typical response,
since requests in flight together wait for each other. Fewer than eight show no trend."""
TREND_CHANCE = 0.01
MATTERS = 0.05
"""A change must be both certain and large: with thousands of requests, one of 0.1 % is certain."""
MOST_CUT = 0.2
"""Share of the window. If it settles later, it gets a verdict instead of a cut."""


def estimate_warm_up_length(values: Values) -> int | None:
    """Count the first values that belong to the warm-up, by MSER-5; None if unknown.

    The cut minimizes the squared standard error of the mean of the remaining values, over means of
    five consecutive values. A cut in the second half does not count: the series is then too short,
    or as unsteady at its end as at its beginning (White, Simulation 69, 1997; White, Cobb and
    Spratt, Winter Simulation Conference 2000).
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


@dataclass(frozen=True, slots=True)
class WarmUpCut:
    """The number of first values to leave out. too_late: it would exceed MOST_CUT."""

    length: int
    too_late: bool = False


def choose_warm_up_cut(values: Values, already: int) -> WarmUpCut:
    """Choose the cut that MSER-5 suggests beyond the `already` excluded values, where it matters.

    Values are cut only if their level differs: a median more than 5 % off that of the remaining
    values, block means too different for chance (Mann and Whitney 1947), and the values just before
    them off to the same side. A stall at the window's beginning is not a warm-up: a cut would hide
    it.
    """
    cut = estimate_warm_up_length(values)
    if cut is None or cut <= already:
        return WarmUpCut(already)
    before, rest = values[already:cut], values[cut:]
    earlier = values[max(0, 2 * already - cut) : already]
    level = float(np.median(rest))
    if not is_one_sided(earlier, before, level) or not are_different(before, rest):
        return WarmUpCut(already)
    if cut - already > MOST_CUT * (len(values) - already):
        return WarmUpCut(already, too_late=True)
    return WarmUpCut(cut)


def is_one_sided(earlier: Values, before: Values, level: float) -> bool:
    """Return True if both parts are off the level, to the same side and by more than MATTERS."""
    parts = [float(np.median(part)) - level for part in (earlier, before) if len(part)]
    return min(parts) > MATTERS * level or max(parts) < -MATTERS * level


def are_different(before: Values, rest: Values) -> bool:
    """Apply the rank test to block means. As in `estimate_trend`, its variance is inflated, since
    blocks of a queue are correlated."""
    from scipy.stats import mannwhitneyu, norm  # a second to import, for reports only

    size = max(BATCH, (len(before) + len(rest)) // BLOCKS)
    one, other = compute_block_means(before, size), compute_block_means(rest, size)
    pairs = len(one) * len(other)
    variance = pairs * (len(one) + len(other) + 1) / 12 * compute_variance_inflation(other)
    away = abs(float(mannwhitneyu(one, other).statistic) - pairs / 2)
    return 2 * float(norm.sf(away / sqrt(variance))) < TREND_CHANCE


def compute_block_means(values: Values, size: int) -> Values:
    blocks = np.array_split(values, max(1, len(values) // size))
    return np.array([block.mean() for block in blocks])


@dataclass(frozen=True, slots=True)
class Drift:
    """share: the change over the whole series, by the Theil–Sen slope, over its mean (Sen 1968).
    chance: how likely a trend like this is where there is none (Kendall's test; Mann 1945)."""

    share: float
    chance: float

    @property
    def matters(self) -> bool:
        return self.chance < TREND_CHANCE and abs(self.share) > MATTERS


def count_parts(window_s: Second, response_s: Second | None) -> int | None:
    """Count the parts to judge a window by; None if it is too short."""
    if not response_s or window_s <= 0:
        return None
    parts = min(MOST_PARTS, int(window_s / response_s))
    return parts if parts >= FEWEST_PARTS else None


def estimate_drift(values: Values, parts: int) -> Drift | None:
    """Estimate the drift of a series in order of time; None if it is too short."""
    if len(values) < 2 * parts:
        return None
    return estimate_trend(np.array([part.mean() for part in np.array_split(values, parts)]))


def estimate_trend(parts: Values) -> Drift:
    """Estimate the trend of a figure's values in equal parts of the window, in order of time.

    It is a median of slopes, so that a single stall does not look like a trend. Correlated parts
    make chance trends likelier: the test's variance grows by (1 + r) / (1 - r), where r is the
    correlation of neighbours without the trend (Bayley and Hammersley 1946; for this test Hamed and
    Rao, J. Hydrology 204, 1998).
    """
    from scipy.stats import kendalltau, norm, theilslopes  # a second to import, for reports only

    count, level = len(parts), float(parts.mean())
    if level == 0 or np.ptp(parts) == 0:
        return Drift(0.0, 1.0)
    positions = np.arange(count)
    line = theilslopes(parts, positions)
    inflation = compute_variance_inflation(parts - line.slope * positions)
    deviation = sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)) * inflation)
    chance = 2 * float(norm.sf(abs(kendalltau(positions, parts).statistic) / deviation))
    return Drift(float(line.slope) * count / level, chance)


def compute_variance_inflation(residuals: Values) -> float:
    """Compute (1 + r) / (1 - r) of neighbours; at least 1."""
    centred = residuals - residuals.mean()
    variance = float(centred @ centred)
    r = float(centred[:-1] @ centred[1:]) / variance if variance > 0 else 0.0
    r = min(max(r, 0.0), 0.95)
    return (1 + r) / (1 - r)
