"""An inconsistent calibration is refused, and the calibration's basis is reported."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.prediction_tables import describe_calibration
from records.prediction import Calibration, CpuSample
from scenarios.errors import CANNOT, UserError
from stress.agreement import compute_spread, reject_disagreement
from stress.machine import compute_other_cores, mark_machine


def build_samples(costs_ms: Sequence[float], in_flight: int = 1) -> list[CpuSample]:
    return [CpuSample(in_flight, 100, 0.5, each / 1000) for each in costs_ms]


QUIET, SHAKY, WILD = (1.0, 1.02, 1.01, 1.05), (1.0, 1.3, 1.1, 1.2), (1.0, 2.0, 1.5, 1.1)


def test_samples_that_agree_are_a_calibration() -> None:
    """Levels may differ in any way: they exist to measure that."""
    reject_disagreement(
        [*build_samples(QUIET), *build_samples(SHAKY, 33), *build_samples((9.0,), 99)]
    )


def test_samples_that_disagree_are_refused() -> None:
    with pytest.raises(UserError, match=r"not stable during calibration \(1\.00 to") as caught:
        reject_disagreement([*build_samples(QUIET), *build_samples(WILD, 33)])
    assert "2.00 ms with 33 in flight). Stop other programs and try again" in str(caught.value)
    assert caught.value.exit_code == CANNOT


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=8), st.floats(0.1, 10))
def test_the_spread_knows_no_unit(costs: list[float], factor: float) -> None:
    spread = compute_spread(costs)
    assert spread >= 0
    scaled = compute_spread([factor * each for each in costs])
    assert scaled == pytest.approx(spread, abs=1e-9)  # the rounding of products
    assert compute_spread([costs[0]] * 4) == 0


def build_calibration(other_cores: float | None) -> Calibration:
    samples = (*build_samples(QUIET), *build_samples((1.4, 1.6), 33), *build_samples((3.0,), 100))
    return Calibration(400, 1.6, 0.00102, 0.0011, samples, 0.0, other_cores)


def test_what_a_prediction_rests_on_is_said() -> None:
    said = describe_calibration(["a", "b"], build_calibration(0.02))
    assert said == (
        "a, b: CPU per request, measured just now: 1.0 ms alone, 1.5 ms with 33 in flight, 3.0 ms "
        "with 100 in flight"
    )
    assert said == describe_calibration(["a", "b"], build_calibration(None))
    busy = describe_calibration(["a"], build_calibration(1.42))
    assert busy.endswith(
        "; other programs used 1.4 cores meanwhile, so these values may be too high"
    )


def test_our_own_work_is_not_that_of_others() -> None:
    """The machine's clock and this process's may differ by a step of 10 ms."""
    before = mark_machine()
    while mark_machine().own_s - before.own_s < 0.2:
        pass
    now = mark_machine()
    wall_s = now.at_s - before.at_s
    others = compute_other_cores(before)
    machine = (now.machine_s - before.machine_s) / wall_s
    assert others <= max(0.0, machine - 0.2 / wall_s) + 0.05 / wall_s
