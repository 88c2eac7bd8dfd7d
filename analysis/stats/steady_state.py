"""Is the window a steady state? Where the warm-up ends, and whether what follows still drifts."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from scenarios.units import Second

Values = npt.NDArray[np.float64]

BATCH = 5
BLOCKS = 40
MOST_PARTS, FEWEST_PARTS = 20, 8
"""A window is judged by the means of its parts. Each is at least as long as a typical response:
requests that were under way together waited for each other. Fewer than eight tell no trend."""
TREND_CHANCE = 0.01
MATTERS = 0.05
"""A change must be both certain and large: thousands of requests make one of 0.1 % certain."""
MOST_CUT = 0.2
"""Of the window. What settles later than that has not settled, and the cell says so."""


def estimate_warm_up_length(values: Values) -> int | None:
    """How many of the first values belong to the warm-up, by MSER-5; None if it is unknown.

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


@dataclass(frozen=True, slots=True)
class WarmUpCut:
    """How many of the first values to leave out. too_late: more would have to go than may."""

    length: int
    too_late: bool = False


def choose_warm_up_cut(values: Values, already: int) -> WarmUpCut:
    """What MSER-5 would cut beyond the `already` that are left out anyway, where it matters.

    It is cut only if it is another level: its median off by more than 5 % from the rest's, and its
    block means too far from theirs for chance (Mann and Whitney 1947); and only if what came right
    before it was off to the same side. A stall at the window's beginning is no warm-up, however
    many it held up: to cut it would hide it.
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
    """Whether all of it is on one side of the level it comes to, and off by what matters."""
    parts = [float(np.median(part)) - level for part in (earlier, before) if len(part)]
    return min(parts) > MATTERS * level or max(parts) < -MATTERS * level


def are_different(before: Values, rest: Values) -> bool:
    """The rank test on block means; its variance grows as that of `trend` does, and for its reason:
    blocks of a queue still know of each other."""
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
    """How many parts a window is judged by; None if it is too short to tell."""
    if not response_s or window_s <= 0:
        return None
    parts = min(MOST_PARTS, int(window_s / response_s))
    return parts if parts >= FEWEST_PARTS else None


def estimate_drift(values: Values, parts: int) -> Drift | None:
    """Of a series in the order of time; None if it is too short to tell."""
    if len(values) < 2 * parts:
        return None
    return estimate_trend(np.array([part.mean() for part in np.array_split(values, parts)]))


def estimate_trend(parts: Values) -> Drift:
    """Of a figure's values in equal parts of the window, in the order of time.

    A median of slopes, so that one stall does not look like a trend. Parts that still know of
    each other make chance trends likelier: the test's variance grows by (1 + r) / (1 - r), where r
    is what neighbours have in common besides the trend (Bayley and Hammersley 1946; for this test
    Hamed and Rao, J. Hydrology 204, 1998).
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
    """(1 + r) / (1 - r) of neighbours; at least 1."""
    centred = residuals - residuals.mean()
    variance = float(centred @ centred)
    r = float(centred[:-1] @ centred[1:]) / variance if variance > 0 else 0.0
    r = min(max(r, 0.0), 0.95)
    return (1 + r) / (1 - r)
