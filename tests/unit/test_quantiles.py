from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.quantiles import estimate_quantile

numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60)
shares = st.floats(0.01, 0.99)


@given(numbers, shares)
def test_it_is_the_smallest_measured_value_that_reaches_the_share(
    values: list[float], q: float
) -> None:
    found = estimate_quantile(values, q)
    assert found in values
    at_or_below = sum(value <= found for value in values) / len(values)
    below = sum(value < found for value in values) / len(values)
    # numpy multiplies and divides by the size: the last digit of the share may differ
    assert at_or_below >= q - 1e-12
    assert below <= q + 1e-12


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 5)), min_size=1), shares)
def test_a_weight_is_as_good_as_a_repetition(pairs: list[tuple[int, int]], q: float) -> None:
    values, weights = [float(value) for value, _ in pairs], [float(w) for _, w in pairs]
    repeated = [float(value) for value, weight in pairs for _ in range(weight)]
    weighted, plain = estimate_quantile(values, q, weights), estimate_quantile(repeated, q)
    # exactly on a step the two may round to either side of it
    steps = sorted(set(values))
    assert weighted is not None
    assert plain is not None
    assert abs(steps.index(weighted) - steps.index(plain)) <= (0 if is_off_step(repeated, q) else 1)


def is_off_step(values: list[float], q: float) -> bool:
    place = q * len(values)
    return abs(place - round(place)) > 1e-9


def test_nothing_has_no_quantile() -> None:
    assert estimate_quantile([], 0.5) is None
    assert estimate_quantile([1.0], 0.5, weights=[0.0]) is None


def test_the_ends() -> None:
    assert estimate_quantile([3.0, 1.0, 2.0], 1.0) == 3.0
    assert estimate_quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert estimate_quantile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.0
