"""The comparison on a report's first screen shows what was measured, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.throughput import OpenLoopSummary
from analysis.report.answer_picture import (
    AT_LEAST,
    LIMIT,
    MEASURED,
    MEDIAN,
    P99,
    PREDICTED,
    build_row,
    draw_answer,
    list_kinds,
)
from analysis.report.drawing import BLUE, NARROW, WIDE, render_both
from analysis.summary.cell import compute_summary
from analysis.summary.load_limit import compute_load_limit_rps
from analysis.summary.model import CellSummary
from analysis.verdicts.base import VerdictRecord
from records.prediction import Prediction
from scenarios.model import Load
from tests.unit.samples import healthy, record, tables
from tests.unit.svg_reading import Picture

CELL = compute_summary(record(), tables(healthy()))
SCENARIO = record().scenario
STARVED = replace(
    CELL,
    verdicts=(VerdictRecord("UNFINISHED", "error", "some got no answer", ""),),
    median_censored_ms=12_000.0,
    p99_censored_ms=None,
    p99_lower_bound_ms=15_000.0,
)
OVERLOAD = OpenLoopSummary(9.0, "constant", 9.0, 4.0, 5.0, True, 1.0, 2.0)
PREDICTION = Prediction(ok_rps=3.0, low=2.0, high=4.0)


def test_a_row_has_the_figures_of_the_table() -> None:
    row = build_row(replace(CELL, predicted=PREDICTION), SCENARIO)
    assert (row.ok_rps, row.limit_rps) == (4.0, 2.0)
    assert (row.low, row.high) == (2.0, 4.0)
    assert [(kind, ms) for kind, ms, _ in row.latencies] == [(MEDIAN, 500.0), (P99, 500.0)]


def test_the_starved_are_counted_and_a_bound_is_no_latency() -> None:
    row = build_row(STARVED, SCENARIO)
    assert row.latencies == ((MEDIAN, 12_000.0, "12.0 s"), (AT_LEAST, 15_000.0, "> 15.0 s"))


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (replace(CELL, requests=0), "no response"),
        (replace(CELL, open_loop=OVERLOAD), "the queue grows"),
    ],
)
def test_what_is_no_latency_is_not_drawn_as_one(cell: CellSummary, why: str) -> None:
    row = build_row(cell, SCENARIO)
    assert row.latencies == ()
    assert row.missing.startswith(why)


def test_failures_are_next_to_the_latencies_that_the_table_shows_too() -> None:
    row = build_row(replace(CELL, failure_ratio=0.046), SCENARIO)
    assert row.rate.endswith(", 4.6 % failed")
    assert [ms for _, ms, _ in row.latencies] == [500.0, 500.0]


def test_the_legend_has_what_is_shown_and_nothing_else() -> None:
    plain = build_row(CELL, replace(SCENARIO, delay_s=None))
    assert list_kinds([plain]) == [MEASURED, MEDIAN, P99]
    all_kinds = [plain, build_row(replace(STARVED, predicted=PREDICTION), SCENARIO)]
    assert list_kinds(all_kinds) == [MEASURED, LIMIT, PREDICTED, MEDIAN, P99, AT_LEAST]


@given(st.integers(1, 10_000), st.floats(0.001, 60.0), st.floats(0.0, 60.0))
def test_the_limit_of_a_closed_loop_is_littles_law(
    users: int, delay_s: float, think_s: float
) -> None:
    scenario = replace(SCENARIO, delay_s=delay_s, load=Load(users=users, think_s=think_s))
    limit = compute_load_limit_rps(scenario)
    assert limit is not None
    assert limit * (delay_s + think_s) == pytest.approx(users)
    first = replace(scenario, endpoint=replace(scenario.endpoint, answers_first=True))
    without_delay = compute_load_limit_rps(first)
    assert without_delay == (pytest.approx(users / think_s) if think_s else None)
    arriving = replace(scenario, load=Load(users=users, arrival_rate=7.0))
    assert compute_load_limit_rps(arriving) == 7.0


def test_where_nothing_waits_the_load_sets_no_limit() -> None:
    assert compute_load_limit_rps(replace(SCENARIO, delay_s=None, load=Load())) is None


def test_it_can_be_read_on_a_desk_and_on_a_phone() -> None:
    """With long names, one cell of each kind, and latencies from a millisecond to minutes."""
    cells = [
        (replace(CELL, scenario="async-http-sync-shared", trial=12), SCENARIO),
        (replace(CELL, scenario="quick", median_ms=1.2, p99_ms=1.25, ok_rps=4321.0), SCENARIO),
        (replace(STARVED, scenario="starved", predicted=PREDICTION), SCENARIO),
        (replace(CELL, scenario="failing", failure_ratio=0.123), SCENARIO),
    ]
    found = render_both("answer", lambda width: draw_answer(cells, width, "What is it?" * 9))
    assert found.narrow is not None
    for svg, width in ((found.svg, WIDE), (found.narrow, NARROW)):
        picture = Picture(svg)
        assert picture.width <= width
        assert picture.overlapping == []
        assert picture.cut_off == []
        assert picture.empty_panels == []
        assert picture.count_fills(BLUE) >= len(cells) + 1, "a bar for each, and a symbol"
        words = [each.words for each in picture.texts]
        for name in (
            "quick",
            "async-http-sync-shared",
            "> 15.0 s",
            "4,321.0",
            "1.2 ms",
            "predicted range",
        ):
            assert name in words
