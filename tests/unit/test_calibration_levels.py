"""The numbers of requests in flight at which an endpoint is calibrated."""

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.catalogue import select_scenarios
from scenarios.model import Load, Scenario, Server
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.settings import build_environment
from stress.calibrate import (
    LARGEST_SHARE,
    MOST_CALLERS,
    ROUND_S,
    SAMPLES,
    Mark,
    choose_levels,
    count_in_flight,
    is_enough,
    is_steady,
    shorten_delay,
)


def get_scenario(name: str, load: Load | None = None) -> Scenario:
    found = replace(select_scenarios((name,))[0], load=load or Load())
    return resolve_scenario(found, MachineResources(uvloop=True, httptools=True, go=True))


@given(st.integers(1, 100_000), st.floats(1e-5, 0.5), st.integers(1, 8))
def test_levels_stay_small_and_come_at_the_runs_rate(
    users: int, cpu_s: float, workers: int
) -> None:
    scenario = replace(get_scenario("async-sleep"), server=Server(workers=workers))
    scenario = replace(scenario, load=replace(scenario.load, users=users))
    levels = choose_levels(scenario, cpu_s)
    assert list(levels) == sorted(set(levels))
    for level in levels:
        assert 1 < level <= min(MOST_CALLERS, users / workers / LARGEST_SHARE)
        assert level <= max(2, ROUND_S / cpu_s)
        shorter = shorten_delay(scenario, level)
        assert shorter.delay_s is not None
        assert scenario.delay_s is not None
        # users / delay, to the millisecond that the app gets; one is the shortest
        rate = count_in_flight(scenario) / scenario.delay_s
        assert shorter.delay_s == pytest.approx(max(0.001, level / rate), abs=0.0005)
        assert build_environment(shorter)["APP_DELAY_MS"] == f"{1000 * shorter.delay_s:g}"


def test_the_classic_numbers() -> None:
    assert choose_levels(get_scenario("sync-http"), 0.001) == (33, 100)
    assert choose_levels(get_scenario("sync-http"), 0.020) == (8, 25)
    assert choose_levels(get_scenario("sync-http", Load(users=50)), 0.001) == (10,)
    assert choose_levels(get_scenario("sync-http", Load(users=5)), 0.001) == ()
    open_loop = Load(arrival_rate=400.0)  # of which 400 are in flight, for a second each
    assert choose_levels(get_scenario("async-sleep", open_loop), 0.001) == (26, 80)


@pytest.mark.parametrize("name", ["async-http-sync", "axum-http-shared", "background-sync"])
def test_a_blocked_loop_a_compiled_server_and_later_work_have_one_level(name: str) -> None:
    assert choose_levels(get_scenario(name), 0.001) == ()


def test_a_blocked_loop_whose_time_is_cpu_has_levels() -> None:
    """0.228 ms alone and 0.205 ms in company: without levels, 10 % too few requests/s predicted."""
    scenario = get_scenario("async-json-sync")
    assert scenario.delay_s is None
    assert choose_levels(scenario, 0.0002) == (33, 100)


def mark(costs_ms: list[float]) -> list[Mark]:
    """After each half second: a hundred responses with this CPU cost each."""
    spent_s = [0.0, *accumulate(0.1 * each for each in costs_ms)]
    return [Mark(0.5 * place, each, 100 * place) for place, each in enumerate(spent_s)]


def test_a_server_that_still_gets_cheaper_is_not_steady() -> None:
    assert not is_steady(mark([1.0] * (SAMPLES - 1)))
    assert is_steady(mark([1.0] * SAMPLES))
    assert not is_steady(mark([1.23, 1.15, 0.87, 0.74]))
    assert is_steady(mark([1.23, 1.15, 0.87, 0.74, 0.75, 0.73]))  # the last four count
    assert not is_steady(mark([0.74, 0.74, 1.1, 1.1]))


def test_a_level_has_an_end() -> None:
    changing = mark([1.5**sample for sample in range(2 * SAMPLES)])
    assert [is_enough(changing[:count]) for count in (2, SAMPLES + 1, 2 * SAMPLES + 1)] == [
        False, False, True,
    ]  # fmt: skip
    slow = [replace(each, at_s=6 * each.at_s) for each in changing]  # rounds of three seconds
    assert [is_enough(slow[:count]) for count in (2, 3)] == [False, True]
