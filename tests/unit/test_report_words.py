"""Sentences, marks and conditions of the report."""

import re
from dataclasses import asdict, replace

import altair as alt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.throughput import OpenLoopSummary
from analysis.metrics import get_metric
from analysis.report.conditions import collect_conditions
from analysis.report.drawing import render_chart
from analysis.report.limit_words import explain_missing_latency
from analysis.report.median_trials import select_median_trial
from analysis.report.notes import (
    write_bystander_note,
    write_cycles_note,
    write_headline,
    write_notes,
)
from analysis.report.ticks import list_log_ticks
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary, Cycle
from analysis.summary.predicates import mark_extremes
from analysis.verdicts.base import VerdictRecord
from records.prediction import Prediction
from scenarios.catalogue import select_scenarios
from scenarios.options import list_options
from scenarios.settings import Overrides
from tests.unit.samples import healthy, record, tables

(SCENARIO,) = select_scenarios(("async-http-shared",))
CELL = compute_summary(record(), tables(healthy()))
THEORY = Prediction(4.0, 500.0, 500.0, 510.0, None, "users")


def with_rps(*rates: float) -> list[CellSummary]:
    return [replace(CELL, ok_rps=rate) for rate in rates]


def test_the_best_and_the_worst_are_marked_where_they_differ() -> None:
    assert mark_extremes(with_rps(500, 498, 250, 1), get_metric("ok_rps")) == {
        0: "best",
        1: "best",
        3: "worst",
    }
    assert mark_extremes(with_rps(500, 480), get_metric("ok_rps")) == {}
    assert mark_extremes(with_rps(500), get_metric("ok_rps")) == {}
    latencies = [replace(CELL, median_ms=each) for each in (10.0, 100.0)]
    assert mark_extremes(latencies, get_metric("median_ms")) == {0: "best", 1: "worst"}


def test_a_median_of_survivors_is_never_the_best() -> None:
    starved = replace(CELL, median_ms=1.0, verdicts=(VerdictRecord("UNFINISHED", "warning"),))
    others = [replace(CELL, median_ms=each) for each in (10.0, 100.0)]
    assert mark_extremes([starved, *others], get_metric("median_ms")) == {1: "best", 2: "worst"}


def test_quick_failures_and_what_was_offered_win_nothing() -> None:
    failing = replace(CELL, median_ms=0.3, failure_ratio=1.0)
    others = [replace(CELL, median_ms=each) for each in (10.0, 100.0)]
    assert mark_extremes([failing, *others], get_metric("median_ms")) == {1: "best", 2: "worst"}
    gentle = OpenLoopSummary(5.0, "constant", 5.0, 5.0, 0.0, False, 1.0, 2.0)
    offered = [replace(CELL, ok_rps=each, open_loop=gentle) for each in (5.0, 50.0)]
    assert mark_extremes(offered, get_metric("ok_rps")) == {}


def test_pictures_are_of_a_trial_that_ran_to_its_end() -> None:
    cut = replace(CELL, trial=1, ok_rps=0.0, interrupted="Ctrl-C")
    whole = [replace(CELL, trial=n, ok_rps=rate) for n, rate in ((2, 49.0), (3, 51.0), (4, 50.0))]
    assert select_median_trial([cut, *whole]).trial == 4
    assert select_median_trial([cut]).trial == 1


def test_only_places_lose_their_decimals() -> None:
    chart = alt.Chart(pl.DataFrame({"x": [0.001, 0.0025], "name": ["delay-0.125s", "b"]}))
    found = render_chart("p", chart.mark_point().encode(x="x:Q", color="name:N"))
    assert "delay-0.125s" in found.svg
    assert "0.0025" in found.svg
    assert not re.search(r' d="[^"]*\d\.\d{3}', found.svg)


def test_a_sentence_has_the_figures_and_what_limits() -> None:
    headline = write_headline(replace(CELL, predicted=THEORY), SCENARIO)
    assert "4.0 successful responses per second for 2 users" in headline
    assert "half of the requests took 500 ms or less" in headline
    assert headline.endswith(
        "No resource was saturated: the number of users limits the throughput. "
        "Predicted limit: only the number of users."
    )


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (replace(CELL, requests=0), "No request was answered"),
        (replace(CELL, failure_ratio=0.945), "94.5 % of all requests failed"),
        (
            replace(
                CELL,
                users_longest_wait_median_ms=30_500.0,
                verdicts=(VerdictRecord("UNFINISHED", "warning"),),
            ),
            "half of the users waited 30.5 s or more",
        ),
        (
            replace(
                CELL,
                open_loop=OpenLoopSummary(9.0, "constant", 9.0, 4.0, 5.0, True, 1.0, 2.0),
                users=None,
            ),
            "4.0 of 9.0 offered requests per second succeeded; their latency depends on the length",
        ),
    ],
)
def test_what_is_grave_is_in_the_sentence(cell: CellSummary, words: str) -> None:
    assert words in write_headline(cell, SCENARIO)


def test_a_bystander_is_in_the_headline_where_it_is_the_question() -> None:
    usual = replace(CELL.bystander, median_ms=3.0, pings=4)
    assert "bystander" not in write_headline(replace(CELL, bystander=usual), SCENARIO)
    other = replace(usual, path="/sync/health", median_ms=1768.0)
    headline = write_headline(replace(CELL, bystander=other), SCENARIO)
    assert headline.endswith("A background request to /sync/health took 1.8 s (median).")
    waiting = replace(other, unanswered=2)
    assert "took at least 1.8 s" in write_headline(replace(CELL, bystander=waiting), SCENARIO)


@pytest.mark.parametrize(
    ("measured_ms", "unanswered", "predicted_ms", "words"),
    [
        (38_212.0, 0, 17_200.0, "17,200 ms (measured: 2.22 times the prediction)"),
        (38_212.0, 2, 17_200.0, "17,200 ms (measured: at least 2.22 times the prediction)"),
        (100.0, 0, 400.0, "400 ms (measured: 0.250 times the prediction)"),
        (120.0, 0, 100.0, "100 ms"),
        (40.0, 0, 4.0, "4.0 ms"),
    ],
)
def test_a_bystander_latency_far_from_its_prediction_is_remarked(
    measured_ms: float, unanswered: int, predicted_ms: float, words: str
) -> None:
    other = replace(CELL.bystander, median_ms=measured_ms, pings=4, unanswered=unanswered)
    theory = replace(THEORY, bystander_ms=predicted_ms)
    note = write_bystander_note(replace(CELL, bystander=other, predicted=theory))
    assert note.endswith(f"; predicted: {words}")


def test_a_service_that_fails_quickly_has_no_growing_queue() -> None:
    loop = OpenLoopSummary(100.0, "constant", 100.0, 98.0, 0.0, True, None, None)
    fails = VerdictRecord("OVERLOADED", "error", data={"cause": "failures"})
    cell = replace(CELL, open_loop=loop, verdicts=(fails,))
    assert "the time until a request fails is not a latency" in write_headline(cell, SCENARIO)
    assert any("include requests that failed" in each for each in write_notes(cell))
    assert explain_missing_latency(cell).startswith("requests fail")
    late = replace(cell, verdicts=(replace(fails, data={"cause": "late"}),))
    assert "depends on the length of the test" in write_headline(late, SCENARIO)
    assert explain_missing_latency(late).startswith("the queue grows")


def test_a_cell_without_a_prediction_says_so_and_why() -> None:
    name, why = CELL.scenario, "CPU per request was not stable during calibration"
    notes = write_notes(replace(CELL, predicted=Prediction(reason=f"{name}: {why}")))
    assert f"no prediction: {why}" in notes
    assert f"prediction: {why}" in write_notes(replace(CELL, predicted=replace(THEORY, reason=why)))


def test_the_cycles_of_a_killed_worker_are_lists() -> None:
    cycle = Cycle(start_s=1.0, end_s=32.1, ok=29, failures=500, ok_rps=0.9)
    assert write_cycles_note([cycle, cycle]) == (
        "2 cycles from kill to kill, of 31.1 and 31.1 s; successful responses: 29 and 29; "
        "failures: 500 and 500"
    )


def test_conditions_of_an_early_manifest_are_what_there_is() -> None:
    found = collect_conditions({"command": "study run x", "environment": {"cores": 2, "gil": True}})
    assert [(row.name, *row.cells) for row in found.machine.rows] == [
        ("cores", "2"),
        ("GIL enabled", "yes"),
    ]
    assert not found.settings.rows


def test_the_report_has_each_setting_of_an_option_that_applies() -> None:
    closed = select_scenarios(("async-http",))[0]
    opened = replace(closed, name="open", load=replace(closed.load, arrival_rate=300.0))
    manifest = {"scenarios": [asdict(closed), asdict(opened)]}
    rows = {row.name: row.cells for row in collect_conditions(manifest).settings.rows}
    options = [each.setting for each in list_options(Overrides) if each.setting.sets]
    assert all(each.label for each in options)
    assert len({each.label for each in options}) == len(options)
    assert rows["users"] == ["500", ""]
    assert rows["pause between requests, s"] == ["0", ""]
    assert rows["arrival process"] == ["", "constant"]
    assert rows["client"] == ["httpx", "httpx"]


@given(st.floats(0.001, 1e6), st.floats(2.5, 1e6), st.integers(3, 6))
def test_an_axis_that_has_room_has_more_than_one_tick(low: float, ratio: float, most: int) -> None:
    ticks = list_log_ticks(low, low * ratio, most)
    assert 2 <= len(ticks) <= most
