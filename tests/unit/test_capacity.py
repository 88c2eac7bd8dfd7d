from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.capacity import PRECISION, Step, capacity_lines, knee, next_rate, step_of
from analysis.figures import summarise
from analysis.summary import CellSummary, OpenLoop
from analysis.verdicts import Verdict
from tests.unit.samples import healthy, record, tables

CELL = replace(summarise(record(), tables(healthy())), verdicts=())


def searched(capacity: float, first: float, most_steps: int) -> list[Step]:
    steps: list[Step] = []
    while (rate := next_rate(steps, first, most_steps)) is not None:
        steps.append(Step(rate, rate <= capacity))
    return steps


@given(st.floats(1, 5000), st.floats(0.3, 3.0))
def test_the_search_ends_with_the_capacity_in_its_interval(capacity: float, guess: float) -> None:
    """From a first rate three times off: five steps of 1.3 to get there, and three halvings of
    the logarithm of 1.3 to 5 %."""
    steps = searched(capacity, first=guess * capacity, most_steps=12)
    found = knee(steps)
    assert found.sustained_rps is not None
    assert found.overloaded_rps is not None
    assert found.sustained_rps <= capacity < found.overloaded_rps
    assert found.overloaded_rps / found.sustained_rps <= 1 + PRECISION
    assert len(steps) <= 10


@given(st.floats(1, 5000), st.floats(0.01, 100), st.integers(1, 6))
def test_it_never_takes_more_steps_than_allowed(capacity: float, guess: float, most: int) -> None:
    assert len(searched(capacity, guess * capacity, most)) <= most


def test_a_lucky_step_above_an_overloaded_one_is_not_believed() -> None:
    found = knee([Step(100, True), Step(120, False), Step(150, True)])
    assert (found.sustained_rps, found.overloaded_rps) == (100, 120)


def test_a_generator_at_its_end_is_told_and_not_taken_for_the_servers() -> None:
    steps = [Step(1000, True), Step(1300, None)]
    found = knee(steps)
    assert (found.sustained_rps, found.overloaded_rps, found.generator_limit) == (1000, None, 1300)
    assert next_rate(steps, 1000, 8) == pytest.approx(1140, rel=0.01)  # between the two


def offered(rate: float, *, overloaded: bool, p99_ms: float = 100.0) -> CellSummary:
    loop = OpenLoop(rate, "poisson", rate, rate, 0.0, overloaded, 1.0, 1.0)
    return replace(CELL, open_loop=loop, p99_ms=p99_ms, median_ms=50.0)


def test_what_a_step_says() -> None:
    assert step_of(offered(10, overloaded=False)).sustained is True
    assert step_of(offered(10, overloaded=True)).sustained is False
    failing = replace(offered(10, overloaded=False), failure_ratio=0.2)
    assert step_of(failing).sustained is False
    blind = replace(
        offered(10, overloaded=False), verdicts=(Verdict("GENERATOR_SATURATED", "error"),)
    )
    assert step_of(blind).sustained is None


def test_the_lines_give_the_interval_and_the_latencies_below_it() -> None:
    rates = (100.0, 104.0, 50.0, 70.0, 90.0)
    cells = [offered(rate, overloaded=rate > 100, p99_ms=rate) for rate in rates]
    text = "\n".join(capacity_lines(cells))
    assert "between 100.0 and 104.0 rps" in text
    for share, rate in ((50, "50.0"), (70, "70.0"), (90, "90.0")):
        assert f"{share} %" in text
        assert rate in text
    assert all(len(line) <= 80 for line in capacity_lines(cells))
    assert capacity_lines([CELL]) == []  # a closed loop has no capacity to tell


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([offered(50, overloaded=True)], "below 50.0"),
        ([offered(50, overloaded=False)], "at least 50.0"),
    ],
)
def test_half_an_interval_is_said_to_be_one(steps: list[CellSummary], words: str) -> None:
    assert words in capacity_lines(steps)[0]
