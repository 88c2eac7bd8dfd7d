"""The coverage is counted over every possible order, not simulated: it must equal the claim."""

import math
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.report.trials_table import explain_missing
from analysis.stats.intervals import (
    MOST_COUNTED,
    NoRatio,
    ZeroValues,
    compute_median_interval,
    compute_rank_test,
    compute_ratio_interval,
    count_rank_orders,
    find_innermost_rank,
    find_pair_rank,
)

ROUNDING = 1e-12
"""Shares are quotients of whole numbers: only the last digits may differ."""

positive = st.floats(0.001, 1e6)
samples = st.lists(positive, min_size=1, max_size=9)


@given(st.permutations([3.0, 1.0, 2.0, 5.0, 4.0]))
def test_of_five_it_is_the_whole_range(values: list[float]) -> None:
    found = compute_median_interval(values)
    assert found is not None
    assert (found.median, found.low, found.high, found.trials) == (3.0, 1.0, 5.0, 5)
    assert found.coverage == 0.9375
    assert found.why_none is None


def test_an_even_number_has_its_median_between_the_middle_two() -> None:
    found = compute_median_interval([1.0, 2.0, 4.0, 9.0])
    assert found is not None
    assert found.median == 3.0


@pytest.mark.parametrize("trials", range(5, 13))
def test_the_coverage_is_what_every_pattern_of_signs_says(trials: int) -> None:
    """Around a median of 0 each of n values is above or below with equal probability: among the 2^n
    patterns, the interval must contain 0 in exactly the share that it claims."""
    holds, claimed = 0, set()
    for signs in product((-1.0, 1.0), repeat=trials):
        found = compute_median_interval([sign * size for size, sign in enumerate(signs, start=1)])
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        holds += found.low < 0 < found.high
        claimed.add(found.coverage)
    (coverage,) = claimed
    assert coverage is not None
    assert coverage >= 0.90
    assert coverage == pytest.approx(holds / 2**trials, abs=ROUNDING)


def test_a_certainty_that_is_just_reached_is_enough() -> None:
    five = compute_median_interval([1.0, 2.0, 3.0, 4.0, 5.0], 0.9375)
    assert five is not None
    assert five.low == 1.0
    alone = compute_ratio_interval(
        [float(each) for each in range(1, 40)], [50.0]
    )  # 2 of 40 orders: 5 %
    assert alone.coverage == 0.95
    assert alone.other_is == "higher"


@pytest.mark.parametrize("trials", range(5, 40))
def test_one_rank_further_in_would_cover_too_little(trials: int) -> None:
    found = compute_median_interval([float(each) for each in range(1, trials + 1)])
    assert found is not None
    assert found.low is not None
    next_rank = int(found.low) + 1
    missed = 2 * stats.binom.cdf(next_rank - 1, trials, 0.5)
    assert next_rank > trials / 2 or 1 - missed < 0.90


@pytest.mark.parametrize("at_least", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("trials", [1, 4, 5, 8, 9, 40, 101])
def test_the_interval_is_that_of_scipy(trials: int, at_least: float) -> None:
    values = [float(each) for each in range(1, trials + 1)]
    theirs = np.array(stats.quantile_test(values, q=0.0, p=0.5).confidence_interval(at_least))
    found = compute_median_interval(values, at_least)
    assert found is not None
    ours = np.array([found.low or math.nan, found.high or math.nan])
    assert ours == pytest.approx(theirs, nan_ok=True)


@pytest.mark.parametrize(
    ("trials", "says"), [(1, "1 trial: the spread"), (3, "75.0 %"), (4, "87.5 %"), (2, "50.0 %")]
)
def test_too_few_trials_have_no_interval_and_say_why(trials: int, says: str) -> None:
    found = compute_median_interval([2.0] * trials)
    assert found is not None
    assert found.median == 2.0
    assert found.low is found.high is found.coverage is None
    assert found.why_none is not None
    assert (found.why_none.trials, found.why_none.needed) == (trials, 5)
    assert says in explain_missing(found.why_none)
    assert "5 are needed" in explain_missing(found.why_none)


def test_nothing_has_no_median() -> None:
    assert compute_median_interval([]) is None


@given(st.lists(positive, min_size=5, max_size=40))
def test_the_median_lies_within(values: list[float]) -> None:
    found = compute_median_interval(values)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.median <= found.high
    assert {found.low, found.high} <= set(values)


@given(st.integers(1, 200), st.floats(0.5, 0.98), st.floats(0.001, 0.019))
def test_more_certainty_is_never_a_rank_further_in(trials: int, least: float, more: float) -> None:
    counts = [math.comb(trials, heads) for heads in range(trials + 1)]
    assert find_innermost_rank(counts, least + more)[0] <= find_innermost_rank(counts, least)[0]


@pytest.mark.parametrize("share", [0.0, 1.0, 95.0])
def test_a_certainty_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        compute_median_interval([1.0] * 9, share)


@pytest.mark.parametrize(("base", "other"), [(1, 1), (3, 4), (5, 5), (2, 7), (6, 3)])
def test_the_orders_are_counted_as_if_each_were_laid_out(base: int, other: int) -> None:
    places = range(base + other)
    counted = [0] * (base * other + 1)
    for held in combinations(places, other):
        below = [place for place in places if place not in held]
        counted[sum(mine > theirs for mine in held for theirs in below)] += 1
    assert list(count_rank_orders(base, other)) == counted


@pytest.mark.parametrize(("base", "other"), [(4, 4), (5, 5), (3, 6), (6, 3), (4, 7)])
def test_two_samples_of_one_kind_are_told_apart_as_rarely_as_said(base: int, other: int) -> None:
    """All permutations of the ranks are equally likely if nothing differs: the interval must
    contain 1 in exactly the share of them that it claims."""
    values = [float(rank) for rank in range(1, base + other + 1)]
    holds, claimed, dealt = 0, set(), 0
    for mine in combinations(values, other):
        found = compute_ratio_interval([each for each in values if each not in mine], mine)
        assert found.low is not None
        assert found.high is not None
        holds += found.low < 1 < found.high
        claimed.add(found.coverage)
        dealt += 1
    (coverage,) = claimed
    assert coverage is not None
    assert coverage >= 0.95
    assert coverage == pytest.approx(holds / dealt, abs=ROUNDING)


@given(st.lists(positive, min_size=8, max_size=16, unique=True), st.integers(4, 8))
def test_without_ties_it_leaves_out_one_exactly_when_the_test_is_significant(
    values: list[float], size: int
) -> None:
    base, other = values[:size], values[size:]
    found = compute_ratio_interval(base, other)
    if not other or found.low is None or found.high is None:
        assert not other or 2 / math.comb(len(values), len(base)) > 0.05
        return
    p = stats.mannwhitneyu(base, other, method="exact").pvalue
    assert found.p == p
    assert found.p_is_exact
    # no p of at most 16 values falls on 0.05 itself: the least distance to it is over 1e-4
    assert (not found.low <= 1 <= found.high) == (p <= 0.05) == (found.other_is is not None)


@given(samples, samples)
def test_turned_round_it_is_the_inverse(base: list[float], other: list[float]) -> None:
    there, back = compute_ratio_interval(base, other), compute_ratio_interval(other, base)
    assert there.ratio is not None
    assert back.ratio is not None
    # a quotient and its inverse are each rounded once, a geometric mean three times
    assert there.ratio * back.ratio == pytest.approx(1.0, rel=1e-14)
    if there.low is not None:
        assert there.low * (back.high or 0) == pytest.approx(1.0, rel=1e-14)
    opposite = {"higher": "lower", "lower": "higher", None: None}
    assert back.other_is == opposite[there.other_is]


@given(samples, samples, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_a_factor_on_one_side_is_a_factor_on_the_ratio(
    base: list[float], other: list[float], factor: float
) -> None:
    plain = compute_ratio_interval(base, other)
    scaled = compute_ratio_interval(base, [factor * value for value in other])
    assert plain.ratio is not None
    # powers of two: only the geometric mean rounds
    assert scaled.ratio == pytest.approx(factor * plain.ratio, rel=1e-14)
    assert scaled.low == (None if plain.low is None else factor * plain.low)


@given(samples, samples)
def test_ties_never_make_a_difference_surer(base: list[float], other: list[float]) -> None:
    """Rounding creates ties: a reported difference must exist with the ties broken either way."""
    rounded = [float(round(value, -4)) for value in base], [float(round(v, -4)) for v in other]
    found = compute_ratio_interval(*rounded)
    for nudge in (-1.0, 1.0):
        undone = compute_ratio_interval(rounded[0], [value + nudge for value in rounded[1]])
        if found.other_is is not None:
            assert undone.other_is == found.other_is


def test_three_against_three_say_nothing_however_far_apart() -> None:
    found = compute_ratio_interval([1.0, 2.0, 3.0], [100.0, 200.0, 300.0])
    assert found.ratio == 100.0
    assert found.low is found.high is found.coverage is None
    assert found.other_is is None
    assert found.p == pytest.approx(0.1, abs=ROUNDING)
    assert found.why_none is not None
    assert "10.0 %" in explain_missing(found.why_none)
    assert "4 of each" in explain_missing(found.why_none)


@given(
    base=st.lists(st.integers(0, 3).map(float), min_size=1, max_size=5),
    other=st.lists(st.integers(0, 3).map(float), min_size=1, max_size=5),
)
def test_no_p_is_smaller_than_the_ways_to_deal_the_values_out_allow(
    base: list[float], other: list[float]
) -> None:
    """The normal approximation gives 0.047 for 3 v 3 with ties; the smallest possible p is 0.1."""
    p, exact = compute_rank_test(base, other)
    assert exact
    assert p >= 1 / math.comb(len(base) + len(other), len(base)) - ROUNDING
    assert p == pytest.approx(compute_rank_test(other, base)[0])


def test_ties_are_counted_as_scipy_does() -> None:
    base, other = [1.0, 2.0, 2.0, 5.0], [2.0, 6.0, 6.0, 7.0]
    every = stats.PermutationMethod(n_resamples=math.comb(8, 4))
    found = stats.mannwhitneyu(base, other, method=every)
    p, exact = compute_rank_test(base, other)
    assert exact
    assert p == pytest.approx(float(found.pvalue))


def test_zeros_have_a_direction_and_no_ratio() -> None:
    found = compute_ratio_interval([0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.ratio is found.low is None
    assert found.other_is == "higher"
    assert found.p_is_exact is True
    assert found.why_none == ZeroValues(5, 10)
    assert "5 of 10 values are 0" in explain_missing(found.why_none)
    assert compute_ratio_interval([0.0] * 3, [1.0, 2.0, 3.0]).other_is is None


def test_all_alike_is_no_difference() -> None:
    found = compute_ratio_interval([41.0] * 5, [41.0] * 5)
    assert (found.ratio, found.low, found.high, found.p) == (1.0, 1.0, 1.0, 1.0)
    assert found.other_is is None


def test_nothing_on_one_side_has_no_ratio() -> None:
    for found in (compute_ratio_interval([], [1.0]), compute_ratio_interval([1.0], [])):
        assert found.ratio is found.p is None
        assert found.why_none is NoRatio.NOTHING_MEASURED


@pytest.mark.parametrize(("base", "other"), [(51, 50), (55, 55), (40, 70)])
def test_beyond_what_is_counted_the_normal_approximation_is_near(base: int, other: int) -> None:
    assert base * other > MOST_COUNTED
    rank, coverage = find_pair_rank(base, other, 0.95)
    counts = count_rank_orders(base, other)
    counted = 1 - 2 * sum(counts[:rank]) / sum(counts)
    # the error of the normal approximation with continuity correction, measured: 0.0003
    assert coverage == pytest.approx(counted, abs=0.001)
    assert abs(rank - find_innermost_rank(counts, 0.95)[0]) <= 1


def test_lopsided_beyond_what_is_counted_has_no_negative_rank() -> None:
    assert find_pair_rank(1, 3000, 0.95)[0] == 0  # the normal quantile itself is at -198


def test_more_values_make_it_narrower() -> None:
    """One kind of values spread over 1 to 2: the interval must shrink like the square root."""
    widths = []
    for size in (5, 20, 45):
        values = [1 + (place + 0.5) / size for place in range(size)]
        found = compute_ratio_interval(values, values)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= 1 <= found.high
        widths.append(found.high - found.low)
    assert all(wide > 1.3 * narrow for wide, narrow in pairwise(widths))  # √(45/20) is 1.5
