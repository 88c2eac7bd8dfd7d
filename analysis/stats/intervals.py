"""Confidence intervals over trials, never over the requests within one.

Both intervals end at measured values, picked by rank. Their coverage is counted, not estimated: it
needs independent trials, but no assumption about their distribution.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from itertools import combinations, count
from typing import Literal, NamedTuple

MOST_PERMUTED = 20_000
"""Maximum number of permutations of tied values to enumerate: 8 v 8 trials have 12,870."""
MOST_COUNTED = 2500
"""Maximum number of pairs to count orders for, 50 v 50 trials; beyond, U counts as normal."""

Direction = Literal["higher", "lower"]


class TooFewTrials(NamedTuple):
    """Even the whole range of these trials covers the median only with probability `covered`;
    `needed` trials are enough."""

    trials: int
    covered: float
    needed: int


class TooFewPairs(NamedTuple):
    """The two sides are completely separate by chance with probability `by_chance`; `needed` trials
    of each are enough."""

    base: int
    other: int
    by_chance: float
    needed: int


class ZeroValues(NamedTuple):
    """A ratio needs all values above 0."""

    zeros: int
    values: int


class NoRatio(Enum):
    NOTHING_MEASURED = auto()
    """One side has no values."""
    MANY_FAILURES = auto()


WhyNone = TooFewTrials | TooFewPairs | ZeroValues | NoRatio
"""Why there is no interval, or no ratio. `dataclasses.asdict` leaves these unchanged."""


@dataclass(frozen=True, slots=True)
class MedianInterval:
    """`coverage`: the probability that [low, high] contains the median of all possible trials; None
    like `low` and `high` where there are too few trials."""

    median: float
    low: float | None
    high: float | None
    coverage: float | None
    trials: int
    why_none: TooFewTrials | None


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """`other` over `base`. `p`: two-sided, of the rank test; with ties it may be below 0.05 where
    `other_is`, which counts ties against a difference, is None. `other_is`: the direction of a
    significant difference; it needs no ratio, so it is known with zeros too. `why_none`: why the
    ratio, or only its interval, is missing."""

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    p: float | None = None
    p_is_exact: bool | None = None
    other_is: Direction | None = None
    why_none: WhyNone | None = None


def compute_median_interval(
    values: Sequence[float], at_least: float = 0.90
) -> MedianInterval | None:
    """Compute the sample median with the innermost pair x_(k), x_(n+1-k) that covers enough.

    The number of n trials below the true median is distributed like the heads of n fair coins: the
    pair misses it when fewer than k coins fall on one side. So the coverage is exact for every
    continuous distribution, and at least that for one with ties (David and Nagaraja, Order
    Statistics, 3rd ed. 2003, section 7.1). The bootstrap needs many values for this: resamples of
    five vary less than five new trials, so the true coverage is below the nominal one. SciPy's
    `quantile_test` has the same interval (a test compares them), but does not report its coverage,
    and misses a coverage of exactly `at_least` by rounding.

    None where there is no value. Raises ValueError for an `at_least` outside 0 to 1.
    """
    if not values:
        return None
    ordered = sorted(values)
    trials = len(ordered)
    median = statistics.median(ordered)
    rank, coverage = find_innermost_rank(count_coin_outcomes(trials), at_least)
    if rank == 0:
        needed = count_fewest_trials(count_coin_outcomes, at_least)
        why = TooFewTrials(trials, 1 - 2 / 2**trials, needed)
        return MedianInterval(median, None, None, None, trials, why)
    return MedianInterval(median, ordered[rank - 1], ordered[-rank], coverage, trials, None)


def compute_ratio_interval(
    base: Sequence[float], other: Sequence[float], at_least: float = 0.95
) -> RatioInterval:
    """Compute the median of all pairwise ratios other / base, with an interval between two of them.

    The estimate is Hodges and Lehmann's (Annals of Mathematical Statistics 34, 1963) on a
    logarithmic scale. The interval inverts the Mann-Whitney test: it excludes 1 exactly when the
    two-sided exact test finds a difference at 1 - `at_least` (David and Nagaraja, as above;
    Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, ch. 4). Ties count against a
    difference, so that the coverage is then at least the given one.
    """
    if not base or not other:
        return RatioInterval(why_none=NoRatio.NOTHING_MEASURED)
    p, exact = compute_rank_test(base, other)
    rank, coverage = find_pair_rank(len(base), len(other), at_least)
    tested = RatioInterval(p=p, p_is_exact=exact, other_is=find_direction(base, other, rank))
    if min(*base, *other) <= 0:
        zeros = sum(value <= 0 for value in (*base, *other))
        return replace(tested, why_none=ZeroValues(zeros, len(base) + len(other)))
    ratios = sorted(above / below for below in base for above in other)
    estimate = replace(tested, ratio=compute_geometric_median(ratios))
    if rank == 0:
        by_chance = min(1.0, 2 / math.comb(len(base) + len(other), len(base)))
        needed = count_fewest_trials(lambda each: count_rank_orders(each, each), at_least)
        return replace(estimate, why_none=TooFewPairs(len(base), len(other), by_chance, needed))
    return replace(estimate, low=ratios[rank - 1], high=ratios[-rank], coverage=coverage)


def find_innermost_rank(counts: Sequence[int], at_least: float) -> tuple[int, float]:
    """Find the largest k for which 1 - 2 P(X < k) is `at_least` or more, and that coverage.

    `counts[x]`: the equally likely ways to x, symmetric. k is 0 where even excluding only X = 0 and
    its mirror image is too much.
    """
    if not 0 < at_least < 1:
        raise ValueError(f"at_least is a share between 0 and 1, not {at_least}")
    total = sum(counts)
    rank, coverage, missed = 0, 1.0, 0
    for ways in counts:
        missed += ways
        covered = (total - 2 * missed) / total
        if covered < at_least:
            break
        rank, coverage = rank + 1, covered
    return rank, coverage


def count_coin_outcomes(trials: int) -> tuple[int, ...]:
    return tuple(math.comb(trials, heads) for heads in range(trials + 1))


@lru_cache(maxsize=64)
def count_rank_orders(base: int, other: int) -> tuple[int, ...]:
    """Count the orders of `base` and `other` distinct values in which U pairs have the other one
    larger, for U = 0 to base × other.

    Their generating function is a Gaussian polynomial, the product of (1 - x^(other + i)) /
    (1 - x^i) for i = 1 to base (Andrews, The Theory of Partitions, 1976, ch. 3).
    """
    orders = [1] + [0] * base * other
    for i in range(1, base + 1):
        for u in reversed(range(other + i, len(orders))):
            orders[u] -= orders[u - other - i]
        for u in range(i, len(orders)):
            orders[u] += orders[u - i]
    return tuple(orders)


def find_pair_rank(base: int, other: int, at_least: float) -> tuple[int, float]:
    """Find rank and coverage. Beyond MOST_COUNTED, use the normal approximation: correct to 0.001
    for sides of similar size, and slightly too wide for others (3 v 1000: 0.953, not 0.950)."""
    if base * other <= MOST_COUNTED:
        return find_innermost_rank(count_rank_orders(base, other), at_least)
    deviation = math.sqrt(base * other * (base + other + 1) / 12)
    normal = statistics.NormalDist(base * other / 2, deviation)
    rank = max(0, math.floor(normal.inv_cdf((1 - at_least) / 2) + 0.5))
    return rank, 1 - 2 * normal.cdf(rank - 0.5)


def find_direction(base: Sequence[float], other: Sequence[float], rank: int) -> Direction | None:
    """Find the direction that fewer than `rank` pairs contradict; a tie contradicts both."""
    pairs = len(base) * len(other)
    higher = sum(above > below for below in base for above in other)
    lower = sum(above < below for below in base for above in other)
    if pairs - higher < rank:
        return "higher"
    return "lower" if pairs - lower < rank else None


def compute_rank_test(base: Sequence[float], other: Sequence[float]) -> tuple[float, bool]:
    """Compute Mann and Whitney's two-sided p, and whether it is exact: from counted orders, or with
    ties from all permutations. Use the normal approximation only for many values: for a few it is
    smaller than any permutation allows."""
    pooled = (*base, *other)
    unlike = len(set(pooled))
    if unlike == 1:
        return 1.0, True  # scipy would divide by a variance of zero
    from scipy import stats  # takes 1.4 s to import: `study list` must not wait for it

    if unlike == len(pooled) and len(base) * len(other) <= MOST_COUNTED:
        return float(stats.mannwhitneyu(base, other, method="exact").pvalue), True
    if math.comb(len(pooled), len(base)) <= MOST_PERMUTED:
        return compute_permutation_p(stats.rankdata(pooled).tolist(), len(base)), True
    return float(stats.mannwhitneyu(base, other, method="asymptotic").pvalue), False


def compute_permutation_p(ranks: Sequence[float], base: int) -> float:
    """Compute the share of permutations of the pooled ranks that put `base` values as far from the
    middle as the first ones, their own, are. SciPy's `permutation_test` rejects a side of one
    value, and takes 35 times as long (0.15 s for 8 v 8)."""
    middle = base * (len(ranks) + 1) / 2
    own = abs(sum(ranks[:base]) - middle)
    ways = [abs(sum(dealt) - middle) for dealt in combinations(ranks, base)]
    return sum(way >= own for way in ways) / len(ways)  # midranks add up exactly


def compute_geometric_median(ordered: Sequence[float]) -> float:
    """Return the middle value, or the geometric mean of two: B over A is then 1 / (A over B)."""
    size = len(ordered)
    if size % 2:
        return ordered[size // 2]
    return math.sqrt(ordered[size // 2 - 1]) * math.sqrt(ordered[size // 2])


def count_fewest_trials(count_ways: Callable[[int], Sequence[int]], at_least: float) -> int:
    """Find the smallest number of trials whose counted ways allow an interval."""
    return next(
        trials for trials in count(1) if find_innermost_rank(count_ways(trials), at_least)[0] > 0
    )
