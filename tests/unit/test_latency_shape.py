"""All quantiles: the curve agrees with the summary, and includes unanswered requests."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.window import CellTables, MeasuredCell, Window, find_last_moment
from analysis.report.latency_shape import (
    ANSWERED,
    COUNTING,
    OPEN,
    LatencyDistribution,
    compute_distribution,
)
from analysis.summary.cell import compute_summary
from records.cell import CellRecord
from tests.unit.samples import Sent, healthy, record, tables

WINDOW = Window(2.0, 12.0)


def shape(sent: list[Sent]) -> LatencyDistribution:
    return distribution(record(), tables(sent))


def distribution(of: CellRecord, cell: CellTables) -> LatencyDistribution:
    return compute_distribution(MeasuredCell(of, cell, WINDOW, find_last_moment(of, cell)))


def at(frame: pl.DataFrame, series: str, nines: float) -> float:
    own = frame.filter(pl.col("series") == series)
    nearest = own.with_columns(away=(pl.col("nines") - nines).abs()).sort("away")
    return float(nearest["latency_ms"][0])


@given(st.integers(0, 2**32 - 1), st.integers(200, 400))
def test_the_curve_passes_through_the_quantiles_of_the_summary(seed: int, count: int) -> None:
    took = np.random.default_rng(seed).uniform(0.01, 3, count)
    sent: list[Sent] = [(5.0, 5.0 + each, None) for each in took]
    cell = compute_summary(record(), tables(sent))
    found = shape(sent).quantiles
    assert at(found, ANSWERED, 2.0) == pytest.approx(cell.p99_ms)
    p90_s = float(np.quantile(took, 0.9, method="inverted_cdf"))
    assert at(found, ANSWERED, 1.0) == pytest.approx(1000 * p90_s)
    curve = found.filter(pl.col("series") == ANSWERED)["latency_ms"].to_list()
    assert curve == sorted(curve)


def test_with_everybody_answered_there_is_one_curve() -> None:
    assert shape(healthy()).quantiles["series"].unique().to_list() == [ANSWERED]


def test_the_unanswered_raise_the_curve_and_end_it_where_nobody_knows() -> None:
    sent: list[Sent] = [(3.0, 3.1, None)] * 60 + [(3.0, None, None)] * 40
    found = shape(sent)
    counting = found.quantiles.filter(pl.col("series") == COUNTING)
    # 60 of 100 were answered: the quantiles above are unknown
    assert float(counting["nines"].to_numpy().max()) < 0.4
    unanswered = found.spread.filter(pl.col("what") == OPEN)
    assert unanswered["requests"].sum() == 40
    assert float(unanswered["from_ms"].to_numpy()[0]) > 5_000  # from 3 s to the drain's end at 13 s


@given(st.lists(st.tuples(st.floats(0.001, 6), st.booleans()), min_size=1, max_size=60))
def test_every_request_is_in_one_bar(drawn: list[tuple[float, bool]]) -> None:
    sent: list[Sent] = [(4.0, 4.0 + took, "bad" if bad else None) for took, bad in drawn]
    assert shape(sent).spread["requests"].sum() == len(sent)


def test_an_open_loop_has_the_curve_from_the_send_beside_it() -> None:
    plain = record()
    load = replace(plain.scenario.load, arrival_rate=50.0)
    open_record = replace(plain, scenario=replace(plain.scenario, load=load))
    found = tables([(3.0 + 0.01 * n, 3.5 + 0.01 * n, None) for n in range(100)])
    late = replace(found, requests=found.requests.with_columns(pl.col("intended_s") - 0.5))
    quantiles = distribution(open_record, late).quantiles
    assert at(quantiles, ANSWERED, 1.0) == pytest.approx(1000)
    assert at(quantiles, "from sending", 1.0) == pytest.approx(500)


def test_no_curve_begins_at_a_time_that_no_answer_took() -> None:
    """One request of 1 s was never answered: that is not a quantile."""
    found = shape([(11.9, None, None), (3.0, 5.0, None), (3.0, 6.0, None)]).quantiles
    counting = found.filter(pl.col("series") == COUNTING)["latency_ms"].to_list()
    assert min(counting) == pytest.approx(2000)
    assert COUNTING not in set(shape([(3.0, None, None)]).quantiles["series"])


def test_nothing_makes_no_curve() -> None:
    found = shape([(1.0, 1.1, None)])
    assert found.quantiles.is_empty()
    assert found.spread.is_empty()
