"""The laws of the delays: means, supports, seeds."""

from math import sqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slow_upstream.delays import DISTRIBUTIONS, LOGNORMAL_CAP, ResponsePlanner

SEEDS = st.integers(0, 2**63 - 1)
NAMES = st.sampled_from(sorted(DISTRIBUTIONS))
DRAWS = 4000
# Of one factor: sqrt(1/12), sqrt(exp(0.25) - 1), sqrt(0.9 × 0.5² + 0.1 × 4.5²).
DEVIATIONS = {"constant": 0.0, "uniform": 0.289, "lognormal": 0.533, "bimodal": 1.5}


def factors(name: str, seed: int, count: int = DRAWS) -> list[float]:
    rng = Random(seed)
    return [DISTRIBUTIONS[name](rng) for _ in range(count)]


@pytest.mark.parametrize("name", DEVIATIONS)
@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_mean_factor_is_one(name: str, seed: int) -> None:
    mean = sum(factors(name, seed)) / DRAWS
    # Six standard errors: one seed in hundreds of millions would fail a correct implementation.
    assert abs(mean - 1) <= 6 * DEVIATIONS[name] / sqrt(DRAWS)


@pytest.mark.parametrize("name", ["uniform", "lognormal", "bimodal"])
def test_the_factors_spread_as_stated(name: str) -> None:
    drawn = factors(name, seed=1, count=20_000)
    deviation = sqrt(sum((factor - 1) ** 2 for factor in drawn) / len(drawn))
    # The seed is fixed; 5 % is five times the scatter of 20 000 draws of the heaviest one.
    assert deviation == pytest.approx(DEVIATIONS[name], rel=0.05)


@given(seed=SEEDS)
def test_factors_stay_in_their_support(seed: int) -> None:
    assert set(factors("constant", seed, 50)) == {1.0}
    assert all(0.5 <= factor <= 1.5 for factor in factors("uniform", seed, 50))
    assert all(0 < factor <= LOGNORMAL_CAP for factor in factors("lognormal", seed, 50))
    assert set(factors("bimodal", seed, 50)) <= {0.5, 5.5}


def test_the_lognormal_tail_is_capped() -> None:
    class FarOut(Random):
        def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
            return mu + 40 * sigma

    assert DISTRIBUTIONS["lognormal"](FarOut()) == LOGNORMAL_CAP


@given(name=NAMES, seed=SEEDS, means=st.lists(st.integers(0, 60_000), max_size=30))
def test_one_seed_deals_one_sequence(name: str, seed: int, means: list[int]) -> None:
    one, other = ResponsePlanner(name, seed, 0.3), ResponsePlanner(name, seed, 0.3)
    assert [one.plan_response(mean) for mean in means] == [
        other.plan_response(mean) for mean in means
    ]


def test_another_seed_deals_another_sequence() -> None:
    one, other = ResponsePlanner("uniform", 1, 0.0), ResponsePlanner("uniform", 2, 0.0)
    assert [one.plan_response(1000) for _ in range(10)] != [
        other.plan_response(1000) for _ in range(10)
    ]


@given(name=NAMES, seed=SEEDS, error_rate=st.floats(0, 1))
def test_planned_errors_leave_the_waits_alone(name: str, seed: int, error_rate: float) -> None:
    without, having = ResponsePlanner(name, seed, 0.0), ResponsePlanner(name, seed, error_rate)
    for _ in range(20):
        assert without.plan_response(1000).asked_ms == having.plan_response(1000).asked_ms


@given(seed=SEEDS, mean_ms=st.integers(0, 60_000))
def test_constant_asks_for_exactly_what_was_said(seed: int, mean_ms: int) -> None:
    assert ResponsePlanner("constant", seed, 0.0).plan_response(mean_ms).asked_ms == mean_ms


@given(seed=SEEDS)
def test_error_rates_of_none_and_all(seed: int) -> None:
    none, everyone = ResponsePlanner("constant", seed, 0.0), ResponsePlanner("constant", seed, 1.0)
    assert not any(none.plan_response(1).fails for _ in range(50))
    assert all(everyone.plan_response(1).fails for _ in range(50))
