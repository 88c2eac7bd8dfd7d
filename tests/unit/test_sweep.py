import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.formulas import build_stations, build_users_grid, compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.networks import FlowEquivalent
from analysis.theory.simulation import simulate
from analysis.theory.sizing import (
    MOST_WORKERS,
    LoadTarget,
    SizeSearch,
    compute_sizing,
    search_fewest,
)
from scenarios.model import Load, Style


@given(st.integers(1, 1000), st.integers(0, 100_000), st.integers(1, 12))
def test_a_grid_rises_by_at_most_a_ratio_from_end_to_end(
    low: int, more: int, per_decade: int
) -> None:
    grid = build_users_grid(low, low + more, per_decade)
    assert grid[0] == low
    assert grid[-1] == low + more
    ratio = 10 ** (1 / per_decade)
    for smaller, larger in pairwise(grid):
        assert smaller < larger
        # users are whole: each of two neighbours is rounded by half a user
        assert larger <= smaller * ratio + 0.5 * ratio + 0.5 + 1e-9


def test_a_grid_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        build_users_grid(10, 5)


def test_a_pool_is_a_knee() -> None:
    found = compute_curve(ServerModel("def", pool=40), build_users_grid(1, 500))
    assert found.knee_users == pytest.approx(40.0)
    assert found.highest_rps == pytest.approx(40.0)
    assert [each.limited_by for each in found.points if each.users < 40][-1] == "users"
    last = found.points[-1]
    assert (last.users, last.limited_by) == (500, "pool")
    assert last.ok_rps == pytest.approx(40.0)
    assert last.mean_s == pytest.approx(12.5)


def test_what_fills_up_before_the_pool_gives_the_name() -> None:
    busy = ServerModel("def", pool=200, loop_cpu_s=0.02)
    assert compute_curve(busy, [500]).points[0].limited_by == "interpreter"
    narrow = ServerModel("def", pool=200, connections=20)
    assert compute_curve(narrow, [500]).points[0].limited_by == "connections"
    assert compute_curve(narrow, [500]).points[0].ok_rps == pytest.approx(20.0)


def test_an_async_def_without_cpu_has_no_knee() -> None:
    found = compute_curve(ServerModel("async def"), [1, 500, 100_000])
    assert found.knee_users is None
    assert [each.limited_by for each in found.points] == ["users"] * 3
    assert [each.ok_rps for each in found.points] == pytest.approx([1.0, 500.0, 100_000.0])


def test_a_blocked_loop_is_beyond_its_knee_from_the_second_user_on() -> None:
    found = compute_curve(ServerModel("async def that blocks", workers=2), [1, 2, 500])
    assert found.knee_users == 2.0
    assert [each.ok_rps for each in found.points] == pytest.approx([1.0, 2.0, 2.0])
    assert found.points[-1].mean_s == pytest.approx(250.0)


@given(
    st.sampled_from(["def", "async def", "async def that blocks"]),
    st.integers(1, 4),
    st.integers(1, 30),
    st.floats(0.0, 0.05),
    st.floats(0.0, 3.0),
)
def test_a_curve_never_falls_and_keeps_littles_law(
    style: Style, workers: int, pool: int, cpu_s: float, think_s: float
) -> None:
    system = ServerModel(style, workers=workers, pool=pool, loop_cpu_s=cpu_s)
    points = compute_curve(system, build_users_grid(1, 120), think_s).points
    for fewer, more in pairwise(points):
        # the recursion's window begins when users are still a little out of step
        assert more.ok_rps >= fewer.ok_rps * (1 - 2e-3)
    for each in points:
        assert each.ok_rps * (each.mean_s + think_s) == pytest.approx(each.users)
        assert each.mean_s >= (system.delay_s + cpu_s) * (1 - 1e-9)


def test_a_curve_is_what_the_simulation_plays() -> None:
    # 150 users of three workers with ten tokens each: saturated, where no randomness is left
    system = ServerModel("def", workers=3, pool=10, delay_s=0.5, loop_cpu_s=0.001)
    point = compute_curve(system, [150]).points[0]
    played = simulate(system, Load(150), 10, 100)
    # the formula's CPU is random, so that threads wait for each other: half a percent at the most
    assert played.ok_rps == pytest.approx(point.ok_rps, rel=0.005)
    assert played.mean_s == pytest.approx(point.mean_s, rel=0.005)


@given(st.integers(1, 300), st.integers(0, 300), st.integers(1, 700))
def test_the_search_finds_what_trying_all_would(low: int, more: int, threshold: int) -> None:
    high = low + more
    tried: list[int] = []

    def good(count: int) -> bool:
        tried.append(count)
        return count >= threshold

    found = search_fewest(low, high, good)
    assert found == next((each for each in range(low, high + 1) if each >= threshold), None)
    assert len(tried) == len(set(tried))
    assert len(tried) <= 2 * math.log2(high) + 2
    assert all(low <= each <= high for each in tried)


def test_an_empty_range_holds_nothing() -> None:
    assert search_fewest(5, 4, lambda _: True) is None


def test_a_size_is_the_smallest_that_does() -> None:
    system = ServerModel("def", pool=40, delay_s=0.5, loop_cpu_s=0.001)
    sizing = compute_sizing(LoadTarget(150.0, 0.7), system, cores_per_machine=2)
    assert sizing is not None
    assert sizing.bound_by == "pool"
    assert sizing.at_least_workers == 2
    assert sizing.workers >= sizing.at_least_workers
    assert sizing.machines == math.ceil(sizing.workers / 2)
    assert sizing.p99_s <= 0.7
    assert sizing.pool is not None
    search = SizeSearch(LoadTarget(150.0, 0.7))
    assert not search.is_met_by(system, sizing.workers - 1)
    assert search.is_met_by(replace(system, pool=sizing.pool), sizing.workers)
    assert not search.is_met_by(replace(system, pool=sizing.pool - 1), sizing.workers)


def test_cpu_bounds_an_async_def_and_it_has_no_pool() -> None:
    sizing = compute_sizing(
        LoadTarget(250.0, 1.2), ServerModel("async def", loop_cpu_s=0.01), cores_per_machine=4
    )
    assert sizing is not None
    # 100 a second each is the most, and a worker that is 83 % busy has short queues
    assert (sizing.workers, sizing.at_least_workers, sizing.bound_by) == (3, 3, "interpreter")
    assert sizing.pool is None
    assert sizing.machines == 1


def test_a_blocked_loop_needs_many_more_workers_than_its_capacity_says() -> None:
    system = ServerModel("async def that blocks", delay_s=0.1)
    sizing = compute_sizing(LoadTarget(50.0, 0.2), system, cores_per_machine=8)
    assert sizing is not None
    assert sizing.at_least_workers == 6  # five would be busy all the time
    # p99 at twice the service time: M/D/1 allows a load of about 0.15
    assert 25 <= sizing.workers <= 50
    assert sizing.bound_by == "blocked loop"


def test_no_number_of_workers_makes_an_upstream_faster() -> None:
    assert (
        compute_sizing(
            LoadTarget(10.0, 0.9), ServerModel("async def", delay_s=1.0), cores_per_machine=4
        )
        is None
    )


def test_more_workers_than_are_tried_is_no_answer() -> None:
    system = ServerModel("async def that blocks", delay_s=1.0)
    assert compute_sizing(LoadTarget(2.0 * MOST_WORKERS, 60.0), system, cores_per_machine=4) is None


def test_a_load_beyond_capacity_is_refused_however_patient_the_goal() -> None:
    system = ServerModel("def", pool=40)
    # simulated for 250 s, the slowest of 40.1 a second would wait only seconds
    assert not SizeSearch(LoadTarget(40.1, 60.0)).is_met_by(system, 1)


def test_failures_are_no_answers() -> None:
    impatient = ServerModel("async def", delay_s=2.0, client_timeout_s=1.0)
    assert not SizeSearch(LoadTarget(10.0, 5.0)).is_met_by(impatient, 1)


def test_a_pool_is_named_in_the_stations_of_a_worker() -> None:
    (pool,) = build_stations(ServerModel("def", pool=3, delay_s=0.5))
    assert isinstance(pool, FlowEquivalent)
    assert pool.rates == pytest.approx((2.0, 4.0, 6.0))
