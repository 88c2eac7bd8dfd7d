from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from analysis.measures.window import find_window
from analysis.stats.quantiles import estimate_censored_quantiles, estimate_quantile
from analysis.stats.steady_state import (
    choose_warm_up_cut,
    count_parts,
    estimate_drift,
    estimate_warm_up_length,
)
from tests.unit.samples import Sent, record, tables


@pytest.mark.parametrize("transient", [0, 50, 200, 400])
def test_mser_cuts_where_the_transient_ends(transient: int) -> None:
    noise = np.random.default_rng(transient).normal(0, 1, 1000)
    level = np.where(np.arange(1000) < transient, 30.0, 10.0)
    cut = estimate_warm_up_length(level + noise)
    assert cut is not None
    # in flat noise it may cut some more, by chance; the transient always goes
    assert transient <= cut <= transient + 300


def test_mser_knows_when_it_cannot_tell() -> None:
    still_growing = np.linspace(0, 100, 500)
    assert estimate_warm_up_length(still_growing) is None
    assert estimate_warm_up_length(np.ones(12)) is None  # too few


def test_a_cut_that_changes_nothing_is_not_made() -> None:
    flat = np.random.default_rng(1).normal(100, 1, 1000)
    assert choose_warm_up_cut(flat, already=0).length == 0
    flat[:150] *= 3
    cut = choose_warm_up_cut(flat, already=0)
    assert 150 <= cut.length <= 200  # at most a fifth
    assert not cut.too_late
    assert choose_warm_up_cut(flat, already=150).length == 150


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_warm_up_is_cut_whatever_success_is_called(status: int) -> None:
    latencies_s = np.random.default_rng(1).normal(0.1, 0.001, 1000)
    latencies_s[:150] *= 3
    ends_s = np.linspace(2.0, 11.9, 1000)
    sent: list[Sent] = [
        (end_s - took_s, end_s, None) for end_s, took_s in zip(ends_s, latencies_s, strict=True)
    ]
    found = tables(sent)
    requests = found.requests.with_columns(status=pl.lit(status, pl.UInt16))
    window = find_window(record(), replace(found, requests=requests))
    assert 3.4 < window.start_s < 4.2  # at most a fifth more than the 150


def test_what_settles_after_a_fifth_of_the_window_is_said_and_not_cut() -> None:
    flat = np.random.default_rng(3).normal(100, 1, 1000)
    flat[:400] *= 1.5
    cut = choose_warm_up_cut(flat, already=0)
    assert (cut.length, cut.too_late) == (0, True)


def test_a_stall_at_the_beginning_is_not_cut_away() -> None:
    """It is the service's behaviour; only a changed level is a warm-up."""
    steady = np.random.default_rng(2).normal(100, 1, 1000)
    steady[100:120] = 600.0
    assert estimate_warm_up_length(steady) not in (0, None)  # MSER-5 alone would cut it
    assert choose_warm_up_cut(steady, already=50).length == 50


@given(st.integers(0, 2**32 - 1), st.integers(0, 150), st.integers(50, 120))
def test_a_stall_in_the_window_is_never_cut(seed: int, begins: int, held: int) -> None:
    """Requests that queued behind a stall, 200 per second: the first waited 500 ms, the last almost
    nothing. Before the window all was well: that is not a warm-up."""
    values = np.random.default_rng(seed).normal(12.0, 0.3, 1000)
    values[200 + begins : 200 + begins + held] += np.linspace(500, 5, held)
    assert choose_warm_up_cut(values, already=200).length == 200


def waits_of_a_random_queue(seed: int, busy: float, count: int) -> npt.NDArray[np.float64]:
    """Lindley's recursion for M/M/1 with services of 20 ms on average, in its steady state."""
    source = np.random.default_rng(seed)
    service, gaps = source.exponential(0.02, 2 * count), source.exponential(0.02 / busy, 2 * count)
    waits, wait = [], 0.0
    for own, gap in zip(service, gaps, strict=True):
        waits.append(wait + own)
        wait = max(0.0, wait + own - gap)
    return np.array(waits[count:])


def test_a_random_queue_in_its_steady_state_is_seldom_called_unsteady() -> None:
    """Neighbours in a queue wait alike, which misleads a test that assumes independence: at a level
    of 1 %, it called 20 % of such windows drifting."""
    found = [estimate_drift(waits_of_a_random_queue(seed, 0.9, 750), 20) for seed in range(200)]
    drifting = sum(each is not None and each.matters for each in found)
    assert drifting <= 0.06 * 200  # 1 % asked; r is itself estimated from twenty means
    cuts = [choose_warm_up_cut(waits_of_a_random_queue(seed, 0.9, 750), 100) for seed in range(200)]
    assert sum(cut.length > 100 or cut.too_late for cut in cuts) <= 0.06 * 200  # as above


@pytest.mark.parametrize(
    ("window_s", "response_s", "parts"),
    [(30.0, 1.0, 20), (30.0, 3.0, 10), (30.0, 13.0, None), (30.0, None, None), (0.0, 1.0, None)],
)
def test_a_part_of_the_window_is_no_shorter_than_a_response(
    window_s: float, response_s: float | None, parts: int | None
) -> None:
    assert count_parts(window_s, response_s) == parts


@given(st.integers(0, 2**32 - 1))
def test_noise_alone_is_no_drift_that_matters(seed: int) -> None:
    values = np.random.default_rng(seed).normal(100, 10, 2000)
    found = estimate_drift(values, 20)
    assert found is not None
    assert not found.matters  # twentieths vary by 1 %: far from 5 % over the window


@given(st.floats(0.08, 3), st.integers(0, 2**32 - 1))
def test_a_trend_is_found(rise: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.03, 2000)
    found = estimate_drift(1 + np.linspace(0, rise, 2000) + noise, 20)
    assert found is not None
    assert found.matters
    expected = rise / (1 + rise / 2)
    assert found.share == pytest.approx(expected, rel=0.15)  # noise of 0.7 % in each twentieth


def test_too_few_to_tell() -> None:
    assert estimate_drift(np.ones(39), 20) is None


DURATIONS = st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), min_size=1, max_size=60)


def find_exact_quantile(rows: list[tuple[float, bool]], q: float) -> float | None:
    """Kaplan and Meier in fractions: the smallest time at which survival is 1 - q or less."""
    alive = Fraction(1)
    for at in sorted({duration for duration, _ in rows}):
        at_risk = sum(duration >= at for duration, _ in rows)
        ended = sum(duration == at and known for duration, known in rows)
        alive *= 1 - Fraction(ended, at_risk)
        if alive <= 1 - Fraction(str(q)):
            return at
    return None


@given(DURATIONS, st.sampled_from([0.1, 0.5, 0.9, 0.99]))
def test_a_censored_quantile_is_the_exact_one_also_where_a_step_is_met(
    rows: list[tuple[float, bool]], q: float
) -> None:
    durations = np.array([duration for duration, _ in rows])
    known = np.array([is_known for _, is_known in rows])
    (found,) = estimate_censored_quantiles(durations, known, (q,))
    assert found == find_exact_quantile(rows, q)


def test_survival_of_exactly_one_half_is_reached_there_and_not_at_the_next_answer() -> None:
    """The median of n answers is the (n / 2)th, for every even n: a product of (1 - 1 / k) often
    misses one half by its last digit. (R's survfit takes the middle of the two, and so differs from
    the uncensored quantile of type 1 that is used here throughout.)"""
    for size in range(2, 400, 2):
        values = np.arange(1.0, size + 1)
        assert estimate_censored_quantiles(values, values > 0, (0.5,)) == (size / 2,)


@given(DURATIONS, st.sampled_from([0.13, 0.51, 0.87]))
def test_kaplan_meier_agrees_with_scipy(rows: list[tuple[float, bool]], q: float) -> None:
    durations = np.array([duration for duration, _ in rows])
    known = np.array([is_known for _, is_known in rows])
    (found,) = estimate_censored_quantiles(durations, known, (q,))
    data = CensoredData(uncensored=durations[known], right=durations[~known])
    theirs = ecdf(data).sf
    if min(abs(theirs.probabilities - (1 - q)), default=1.0) < 1e-9:
        return  # at a step SciPy's product may be off by its last digit
    reached = theirs.quantiles[theirs.probabilities < 1 - q]
    assert found == (float(reached[0]) if len(reached) else None)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60), st.sampled_from([0.1, 0.5, 0.9]))
def test_without_censoring_it_is_the_plain_quantile(durations: list[float], q: float) -> None:
    values = np.array(durations)
    assert estimate_censored_quantiles(values, values > 0, (q,)) == (
        find_exact_quantile([(each, True) for each in durations], q),
    )
    position = q * len(values)
    if abs(position - round(position)) > 1e-6 or q == 0.5:
        assert estimate_censored_quantiles(values, values > 0, (q,)) == (
            estimate_quantile(values, q),
        )


def test_more_of_the_unanswered_never_shortens_the_quantile() -> None:
    durations, known = np.array([1.0, 2.0, 3.0, 50.0]), np.array([True, True, True, False])
    assert estimate_censored_quantiles(durations, known, (0.5,)) == (2.0,)
    more = np.append(durations, [50.0] * 4), np.append(known, [False] * 4)
    assert estimate_censored_quantiles(*more, (0.5,)) == (None,)
