"""The number of users from which throughput no longer grows."""

from dataclasses import replace

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.throughput import RampGrowth, measure_ramp_growth
from records.cell import CellRecord, Phases
from scenarios.model import Load
from tests.unit.samples import record

RPS_OF_ONE = 100.0


def ramped(users: int) -> CellRecord:
    """One more user per second, from t0 on."""
    base = record()
    load = Load(users=users, spawn_rate=1.0)
    scenario = replace(base.scenario, load=load)
    return replace(base, scenario=scenario, phases=Phases(float(users), users + 1.0, users + 9.0))


def answers(rates: list[float]) -> pl.DataFrame:
    """Evenly spread over each second, without failures."""
    ended = [n + (k + 0.5) / rate for n, rate in enumerate(rates) for k in range(round(rate))]
    return pl.DataFrame({"ended_s": ended, "error": [None] * len(ended)}).with_columns(
        pl.col("error").cast(pl.String)
    )


@given(users=st.integers(8, 40), ceiling=st.integers(1, 6))
def test_it_finds_where_a_straight_line_meets_its_ceiling(users: int, ceiling: int) -> None:
    rates = [RPS_OF_ONE * min(n, ceiling) for n in range(1, users + 1)]
    found = measure_ramp_growth(ramped(users), answers(rates), RPS_OF_ONE * ceiling)
    assert found is not None
    assert found.levels[0] == (1, RPS_OF_ONE)
    assert found.saturated_from == ceiling
    assert len(found.levels) == users


def test_what_grows_to_the_end_is_not_saturated() -> None:
    rates = [RPS_OF_ONE * n for n in range(1, 11)]
    found = measure_ramp_growth(ramped(10), answers(rates), 5000.0)
    assert found == RampGrowth(None, tuple(enumerate(rates, start=1)))


def test_a_ramp_too_quick_to_tell_tells_nothing() -> None:
    few = [10.0] * 10  # below 30 responses per level
    assert measure_ramp_growth(ramped(10), answers(few), 10.0) is None
    assert measure_ramp_growth(ramped(3), answers([100.0] * 3), 100.0) is None
    assert measure_ramp_growth(ramped(10), answers([100.0] * 10), None) is None
