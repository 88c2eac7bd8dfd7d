from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.model import Arrivals, Load
from stress.load.sent_requests import generate_due_times


def load(arrivals: Arrivals, rate: float, processes: int) -> Load:
    return Load(arrival_rate=rate, arrivals=arrivals, processes=processes)


@given(st.floats(0.5, 5000), st.integers(1, 8))
def test_constant_arrivals_of_all_processes_are_evenly_spaced(rate: float, processes: int) -> None:
    asked = load("constant", rate, processes)
    merged = sorted(
        due_s
        for process in range(processes)
        for due_s in islice(generate_due_times(asked, process, seed=1), 20)
    )
    assert merged == pytest.approx([number / rate for number in range(20 * processes)])


@given(st.floats(1, 1000), st.integers(1, 4), st.integers(0, 2**32))
def test_poisson_arrivals_have_the_rate_and_only_grow(
    rate: float, processes: int, seed: int
) -> None:
    each = [
        list(islice(generate_due_times(load("poisson", rate, processes), process, seed), 2000))
        for process in range(processes)
    ]
    for own in each:
        assert own == sorted(own)
        # 2000 gaps know their mean to 2.2 %; five deviations leave one failure in millions
        assert own[-1] / 2000 == pytest.approx(processes / rate, rel=0.112)
    if processes > 1:
        assert each[0] != each[1]


def test_the_same_seed_draws_the_same_arrivals() -> None:
    first, again, other = (
        list(islice(generate_due_times(load("poisson", 100, 2), 1, seed), 50)) for seed in (7, 7, 8)
    )
    assert first == again != other
