"""The benchmark that counts how many measurements lie in their predicted range."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.summary.cell import compute_summary
from benchmarks.predictions import compare_run, main
from records.prediction import Prediction
from scenarios.errors import WRONG_USE
from tests.unit.samples import healthy, record, tables

MEASURED = compute_summary(record(), tables(healthy()))


def test_each_trial_counts_against_the_range_that_was_predicted_for_it() -> None:
    known = Prediction(ok_rps=100.0, low=90.0, high=105.0, median_ms=2 * (MEASURED.median_ms or 0))
    trials = [
        replace(MEASURED, trial=place, ok_rps=rate, predicted=known)
        for place, rate in enumerate((89.9, 90.0, 105.0, 105.1), 1)
    ]
    (found,) = compare_run(trials)
    assert (found.inside, found.measured_rps) == (2, (89.9, 90.0, 105.0, 105.1))
    assert found.median_ratio == pytest.approx(2)
    assert "2 of 4" in str(found)


def test_a_later_trial_has_its_own_range() -> None:
    known = (
        Prediction(ok_rps=100.0, low=90.0, high=105.0),
        Prediction(ok_rps=9.0, low=8.0, high=10.0),
    )
    trials = [
        replace(MEASURED, trial=place, ok_rps=9.5, predicted=each)
        for place, each in enumerate(known, 1)
    ]
    assert [each.inside for each in compare_run(trials)] == [1]


def test_a_trial_without_a_range_is_left_out() -> None:
    known = Prediction(ok_rps=9.0, low=8.0, high=10.0)
    ranges = (Prediction(reason="the server ended"), known, known)
    trials = [
        replace(MEASURED, trial=place, ok_rps=9.5, predicted=each)
        for place, each in enumerate(ranges, 1)
    ]
    (found,) = compare_run(trials)
    assert (found.inside, found.measured_rps, found.predicted_rps) == (2, (9.5, 9.5), 9.0)


def test_a_cell_without_a_range_counts_for_nothing() -> None:
    assert list(compare_run([replace(MEASURED, predicted=None)])) == []
    assert list(compare_run([replace(MEASURED, predicted=Prediction(ok_rps=1.0))])) == []


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([tmp_path]) == WRONG_USE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
