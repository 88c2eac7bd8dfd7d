"""How fast the machine was: between the levels of a calibration, and between it and the run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.summary.cell import compute_summary
from records.prediction import SAME_SPEED, CpuSample, Prediction
from stress.calibrate import adjust_to_last_speed
from stress.machine_speed import time_reference_work
from tests.unit.samples import healthy, record, tables

PREDICTED = Prediction(ok_rps=10.0, mean_ms=100.0, limited_by="users", reference_s=0.002)


@given(st.floats(0.2, 5.0), st.floats(0.0005, 0.05))
def test_levels_are_as_at_the_last_ones_speed(slower: float, cpu_s: float) -> None:
    """A request that costs the same in each level, on a machine that changes between them."""
    first = CpuSample(1, 100, 0.5, cpu_s, reference_s=0.002)
    last = CpuSample(20, 100, 0.5, slower * cpu_s, reference_s=slower * 0.002)
    found, kept = adjust_to_last_speed([first, last])
    assert kept == last
    assert found.cpu_s == pytest.approx(last.cpu_s, rel=SAME_SPEED - 1)
    assert found.requests / found.lasting_s == pytest.approx(
        first.requests / first.lasting_s / (found.cpu_s / first.cpu_s)
    )


def test_an_older_calibration_stays() -> None:
    samples = [CpuSample(1, 100, 0.5, 0.001), CpuSample(20, 100, 0.5, 0.002)]
    assert adjust_to_last_speed(samples) == samples


@pytest.mark.parametrize(
    ("speeds_s", "said"),
    [
        ((0.0021, 0.0019), None),
        ((0.0020, 0.0034), "1.7 times as slow"),
        ((0.0010, 0.0021), "2.0 times as fast"),
        ((), None),
    ],
)
def test_another_speed_than_the_calibrations_is_noted(
    speeds_s: tuple[float, ...], said: str | None
) -> None:
    measured = replace(record(), reference_s=speeds_s)
    cell = compute_summary(measured, tables(healthy()), PREDICTED)
    found = [each.message for each in cell.verdicts if each.code == "MACHINE_SPEED_CHANGED"]
    assert len(found) == (said is not None)
    assert all(said in each for each in found if said)
    unpredicted = compute_summary(measured, tables(healthy()), None)
    assert "MACHINE_SPEED_CHANGED" not in [each.code for each in unpredicted.verdicts]


def test_the_reference_takes_time() -> None:
    assert 0 < time_reference_work() < 1
