"""If a measurement of an exercise differs from the model, the exercise says why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.guide.agreement import (
    AGREES_SHARE,
    UNKNOWN_CAUSE,
    explain_differences,
    is_as_predicted,
)
from analysis.guide.exercises import Exercise, load_exercises
from analysis.guide.recorded import find_runs, read_cells
from analysis.metrics import get_metric
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from records.prediction import Prediction
from study.workshop import KEPT
from tests.unit.samples import healthy, record, tables

EXERCISES = load_exercises()
MEASURED = compute_summary(record(), tables(healthy()))
assert MEASURED.ok_rps
OK_RPS = MEASURED.ok_rps
RATE = get_metric("ok_rps")


def build_cell(ok_rps: float | None, **more: float | str | None) -> CellSummary:
    """A measured cell with this predicted throughput; every other metric is as predicted."""
    return replace(
        MEASURED,
        verdicts=(),
        predicted=replace(
            Prediction(
                ok_rps, MEASURED.mean_ms, cpu_ms=MEASURED.cpu_ms_per_request,
                bystander_ms=MEASURED.bystander.median_ms,
            ),
            **more,  # type: ignore[arg-type]  # the fields are of several types
        ),
    )  # fmt: skip


@given(st.floats(0.01, 10.0))
def test_a_figure_agrees_within_a_tenth_of_theory(ratio: float) -> None:
    cell = build_cell(ratio * OK_RPS)
    near = abs(1 - ratio) <= AGREES_SHARE * ratio
    assert is_as_predicted(RATE, cell) is near
    assert (explain_differences(EXERCISES[0], False, cell) == []) is near


def test_a_throughput_in_the_predicted_range_agrees_however_far_its_middle_is() -> None:
    cell = build_cell(3 * OK_RPS, low=0.9 * OK_RPS, high=5 * OK_RPS)
    assert is_as_predicted(RATE, cell)
    assert not is_as_predicted(RATE, build_cell(3 * OK_RPS, low=2 * OK_RPS, high=5 * OK_RPS))


def test_a_difference_without_a_known_cause_says_so() -> None:
    (line,) = explain_differences(EXERCISES[0], False, build_cell(2 * OK_RPS))
    assert line.startswith("successful responses/s: measured ")
    assert line.endswith(UNKNOWN_CAUSE)


def test_a_request_that_took_more_cpu_than_known_is_the_cause() -> None:
    cell = build_cell(2 * OK_RPS, cpu_ms=1.0, cpu_loaded_ms=1.0)
    rate, cause = explain_differences(EXERCISES[0], False, replace(cell, cpu_ms_per_request=4.0))
    assert UNKNOWN_CAUSE not in rate
    assert cause.startswith("In this run a request takes 4.0 ms of CPU under load")
    (rate,) = explain_differences(EXERCISES[0], False, replace(cell, cpu_ms_per_request=1.1))
    assert rate.endswith(UNKNOWN_CAUSE)  # within its variation from run to run


def test_where_all_agrees_the_machine_is_no_cause() -> None:
    cell = replace(build_cell(OK_RPS), cpu_ms_per_request=1000.0)
    assert explain_differences(EXERCISES[0], False, cell) == []


def test_a_figure_that_theory_does_not_have_is_explained_by_the_exercise() -> None:
    figure = "bystander.median_ms"
    (line,) = explain_differences(EXERCISES[5], True, build_cell(OK_RPS, bystander_ms=None))
    assert "theory has no figure" in line
    assert EXERCISES[5].apart["after"][figure] in line


@pytest.mark.parametrize("which", EXERCISES, ids=lambda each: f"exercise-{each.number}")
def test_what_was_recorded_agrees_or_is_explained(which: Exercise) -> None:
    runs = [(run.load_manifest()["workshop"], run) for run in find_runs([KEPT])]
    recorded = [
        (bool(about["edited"]), cell)
        for about, run in runs
        if isinstance(about, dict) and about["exercise"] == which.number
        for cell in read_cells(run)
    ]
    assert sorted(edited for edited, _ in recorded) == [False, True]
    for edited, cell in recorded:
        assert UNKNOWN_CAUSE not in " ".join(explain_differences(which, edited, cell))
