import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from analysis.censored import censored_quantile
from analysis.quantiles import quantile
from analysis.steady import cut_that_matters, drift, warm_up_length


@pytest.mark.parametrize("transient", [0, 50, 200, 400])
def test_mser_cuts_where_the_transient_ends(transient: int) -> None:
    noise = np.random.default_rng(transient).normal(0, 1, 1000)
    level = np.where(np.arange(1000) < transient, 30.0, 10.0)
    cut = warm_up_length(level + noise)
    assert cut is not None
    # in flat noise it may cut some more, by chance; the transient always goes
    assert transient <= cut <= transient + 300


def test_mser_knows_when_it_cannot_tell() -> None:
    still_growing = np.linspace(0, 100, 500)
    assert warm_up_length(still_growing) is None
    assert warm_up_length(np.ones(12)) is None  # too few


def test_a_cut_that_changes_nothing_is_not_made() -> None:
    flat = np.random.default_rng(1).normal(100, 1, 1000)
    assert cut_that_matters(flat, already=0) == 0
    flat[:200] *= 3
    assert cut_that_matters(flat, already=0) >= 200
    assert cut_that_matters(flat, already=200) == 200


def test_a_stall_at_the_beginning_is_not_cut_away() -> None:
    """It is what the service did; only a level that has changed is a warm-up."""
    steady = np.random.default_rng(2).normal(100, 1, 1000)
    steady[100:120] = 600.0
    assert warm_up_length(steady) not in (0, None)  # MSER-5 alone would cut it
    assert cut_that_matters(steady, already=50) == 50


@given(st.integers(0, 2**32 - 1))
def test_noise_alone_is_no_drift_that_matters(seed: int) -> None:
    values = np.random.default_rng(seed).normal(100, 10, 2000)
    found = drift(values)
    assert found is not None
    assert not found.matters  # twentieths vary by 1 %: far from 5 % over the window


@given(st.floats(0.08, 3), st.integers(0, 2**32 - 1))
def test_a_trend_is_found(rise: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.03, 2000)
    found = drift(1 + np.linspace(0, rise, 2000) + noise)
    assert found is not None
    assert found.matters
    expected = rise / (1 + rise / 2)
    assert found.share == pytest.approx(expected, rel=0.15)  # noise of 0.7 % in each twentieth


def test_too_few_to_tell() -> None:
    assert drift(np.ones(39)) is None


DURATIONS = st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), min_size=1, max_size=60)


@given(DURATIONS, st.sampled_from([0.1, 0.5, 0.9, 0.99]))
def test_kaplan_meier_agrees_with_scipy(rows: list[tuple[float, bool]], q: float) -> None:
    durations = np.array([duration for duration, _ in rows])
    known = np.array([is_known for _, is_known in rows])
    found = censored_quantile(durations, known, q)
    data = CensoredData(uncensored=durations[known], right=durations[~known])
    theirs = ecdf(data).sf
    reached = theirs.quantiles[theirs.probabilities <= 1 - q + 1e-12]
    if found is None:
        assert len(reached) == 0 or min(abs(theirs.probabilities - (1 - q))) < 1e-9
    elif len(reached) and min(abs(theirs.probabilities - (1 - q))) > 1e-9:
        assert found == pytest.approx(float(reached[0]))  # rounding at an exact step may differ


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_without_censoring_it_is_the_plain_quantile(durations: list[float], q: float) -> None:
    values = np.array(durations)
    plain, censored = quantile(values, q), censored_quantile(values, values > 0, q)
    assert plain is not None
    assert censored is not None
    # at an exact step the summed shares may round to either neighbour
    position = q * len(values)
    if abs(position - round(position)) > 1e-6:
        assert censored == plain


def test_more_of_the_unanswered_never_shortens_the_quantile() -> None:
    durations, known = np.array([1.0, 2.0, 3.0, 50.0]), np.array([True, True, True, False])
    assert censored_quantile(durations, known, 0.5) == 2.0
    more = np.append(durations, [50.0] * 4), np.append(known, [False] * 4)
    assert censored_quantile(*more, 0.5) is None
