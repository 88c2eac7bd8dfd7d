from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.model import Arrivals, Load
from stress.load.sent_requests import generate_due_times, generate_pauses


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
        # the mean of 2000 gaps is known to 2.2 %; five deviations leave one failure in millions
        assert own[-1] / 2000 == pytest.approx(processes / rate, rel=0.112)
    if processes > 1:
        assert each[0] != each[1]


def test_the_same_seed_draws_the_same_arrivals() -> None:
    first, again, other = (
        list(islice(generate_due_times(load("poisson", 100, 2), 1, seed), 50)) for seed in (7, 7, 8)
    )
    assert first == again != other


def test_pauses_are_drawn_evenly_from_their_range_and_by_the_seed() -> None:
    asked = Load(think_s=0.3, think_spread_s=0.1)
    found = list(islice(generate_pauses(asked, 0, 0, seed=1), 4000))
    assert all(0.2 <= each <= 0.4 for each in found)
    # 4,000 with a deviation of 0.2 / sqrt(12): the mean is accurate to 0.0009
    assert sum(found) / len(found) == pytest.approx(0.3, abs=0.004)
    assert sum(each < 0.25 for each in found) == pytest.approx(1000, abs=120)
    assert found == list(islice(generate_pauses(asked, 0, 0, seed=1), 4000))
    assert found != list(islice(generate_pauses(asked, 0, 1, seed=1), 4000))
    assert set(islice(generate_pauses(Load(think_s=0.3), 0, 0, seed=1), 10)) == {0.3}
