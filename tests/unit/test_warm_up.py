"""When no warm-up can be enough: checked against a server that is simulated request by request."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.scenario_model import build_server_model
from records.rundir import CellDir
from scenarios.catalogue import CATALOGUE, select_scenarios
from scenarios.model import Load, Scenario
from scenarios.overrides import apply_overrides
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.settings import Overrides
from scenarios.warm_up import WARM_UP_LIMIT_S, ServingPlaces, find_scenario_places
from stress.load.protocol import LoadProgress
from stress.phases import PhaseRunner, PhaseTimes
from stress.plan import expects_worker_kills, plan_windows
from stress.resource_monitor import WorkerMonitor
from stress.runtime import CellRun
from study.options import shorten_scenarios

ALL = MachineResources(uvloop=True, httptools=True, go=True)
held = st.floats(0.01, 2.0)


def one(name: str, overrides: Overrides | None = None) -> Scenario:
    (found,) = apply_overrides(select_scenarios((name,)), overrides or Overrides())
    return resolve_scenario(found, ALL)


def play_rounds(users: int, spawn_rate: float, held_s: float) -> float:
    """A blocked loop that accepts one connection per round and serves those whose request had
    arrived when the round began: seconds from the ramp's end until each user got one more
    response."""
    waiting, now_s, served = deque(range(users)), 0.0, set[int]()
    ready: list[int] = []
    ramp_s = users / spawn_rate
    fresh: list[int] = []
    late: list[int] = []
    while len(served) < users:
        around, ready, late = ready + fresh, late, []
        fresh = [waiting.popleft()] if waiting and waiting[0] / spawn_rate <= now_s else []
        for place, user in enumerate(around):
            sent_s = now_s  # it had come by then
            now_s += held_s
            if sent_s >= ramp_s:
                served.add(user)
            (late if place == len(around) - 1 else ready).append(user)
        if not around and not fresh:
            now_s += 1 / spawn_rate
    return now_s - ramp_s


@given(st.integers(1, 60), st.floats(5, 500), held)
def test_a_loop_that_takes_one_connection_a_round_is_never_faster_than_the_law(
    users: int, spawn_rate: float, held_s: float
) -> None:
    law = ServingPlaces(1, 1, held_s, accepts_one=True)
    assert law.compute_turn_s(Load(users=users, spawn_rate=spawn_rate)) <= (
        play_rounds(users, spawn_rate, held_s) + 1e-6
    )


@given(st.integers(1, 10_000), st.integers(1, 8), st.integers(1, 500), held)
def test_places_that_are_always_full_are_never_faster_than_the_law(
    users: int, workers: int, each: int, held_s: float
) -> None:
    places = workers * each
    rounds = -(-users // places)
    law = ServingPlaces(workers, each, held_s).compute_turn_s(Load(users=users))
    assert law <= rounds * held_s * (1 + 1e-9)
    assert law > (rounds - 1) * held_s * (1 - 1e-9)


@pytest.mark.parametrize(
    ("name", "overrides", "turn_s"),
    [
        ("async-http-sync-shared", Overrides(loop="asyncio"), 500.0),
        ("async-http-sync-shared", Overrides(loop="asyncio", workers=4), 125.0),
        ("async-http-sync-shared", Overrides(loop="asyncio", users=30), None),
        ("async-http-sync-shared", Overrides(loop="asyncio", users=31), 31.0),
        # each round takes one more user: 1 + 2 + ... + 9 s, less a ramp of 0.2 s; as many at 0.1 s
        ("async-http-sync-shared", Overrides(loop="uvloop", users=10), 44.8),
        ("async-http-sync-shared", Overrides(loop="uvloop", users=10, think_s=1.0), None),
        ("async-http-sync-shared", Overrides(loop="uvloop", users=10, delay_s=0.1), None),
        ("sync-http", Overrides(), None),
        ("sync-http", Overrides(users=2000), 50.0),
        ("sync-http", Overrides(users=2000, pool=100), None),
        ("sync-http", Overrides(users=2000, client_timeout_s=0.5), None),
        ("async-http-shared", Overrides(users=100_000), None),
        ("axum-http-shared", Overrides(users=100_000), None),
    ],
)
def test_which_cells_have_no_warm_up(name: str, overrides: Overrides, turn_s: float | None) -> None:
    plan = plan_windows(one(name, overrides))
    assert plan.turn_s == (None if turn_s is None else pytest.approx(turn_s))
    assert plan.warm_up_limit_s == (WARM_UP_LIMIT_S if turn_s is None else 0.0)


def test_what_may_be_answered_sooner_than_it_waits_has_its_warm_up() -> None:
    scenario = one("background-blocks", Overrides(users=500))
    assert find_scenario_places(scenario) is None
    assert plan_windows(scenario).warm_up_limit_s == WARM_UP_LIMIT_S
    assert find_scenario_places(one("rare-blocks")) is None


@pytest.mark.parametrize("users", [10, 500, 5000])
def test_theory_simulates_the_warm_up_that_the_runner_makes(users: int) -> None:
    quick = shorten_scenarios(CATALOGUE)
    for found in (*CATALOGUE, *quick):
        scenario = resolve_scenario(found, ALL)
        load = replace(scenario.load, users=users)
        scenario = replace(scenario, load=load)
        if not load.is_open and not expects_worker_kills(scenario) and scenario.delay_s:
            model = build_server_model(scenario, 0.001, 2)
            assert model.can_warm_up(load) is (plan_windows(scenario).turn_s is None), scenario.name


@pytest.mark.parametrize(
    ("name", "ramp_left_s", "waits_s"),
    [
        ("async-http-sync-shared", 5.0, 5.0),  # Locust says in the ramp when it will end
        ("async-http-sync-shared", -5.0, 0.0),
        ("sync-http", 5.0, WARM_UP_LIMIT_S),
        ("sync-http", -5.0, WARM_UP_LIMIT_S),
    ],
)
def test_no_window_opens_before_the_ramp_has_ended(
    name: str, ramp_left_s: float, waits_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(_: PhaseRunner, phase: str, done: Callable[[], bool], limit_s: float) -> bool:
        waited.append(limit_s)
        return phase == "ramp" or done()

    monkeypatch.setattr(PhaseRunner, "_wait_until", wait)
    monkeypatch.setattr("stress.phases.monotonic", lambda: 100.0)
    runner = object.__new__(PhaseRunner)
    runner.cell = CellRun(one(name), 1, CellDir(Path("/cell")))
    runner.times = PhaseTimes(t0_s=80.0, ramp_end_s=100.0 + ramp_left_s)
    runner.progress = LoadProgress(warm=3)
    runner._warm_up()
    assert waited == [waits_s]
    assert not runner.times.steady


def test_no_cycle_opens_the_window_before_the_ramp_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load knows the ramp's end a moment before; a worker may be killed in between."""
    waited: list[tuple[str, float]] = []

    def wait(_: PhaseRunner, phase: str, __: object, limit_s: float, settle: bool = False) -> bool:
        waited.append((phase, limit_s))
        return settle

    scenario = one("async-http-sync")
    monkeypatch.setattr(PhaseRunner, "_wait_until", wait)
    monkeypatch.setattr(PhaseRunner, "_open_window", lambda _: 0.0)
    monkeypatch.setattr(PhaseRunner, "_stop_sending", lambda *_: None)
    monkeypatch.setattr("stress.phases.monotonic", lambda: 100.0)
    runner = object.__new__(PhaseRunner)
    runner.times = PhaseTimes(t0_s=80.0, ramp_end_s=105.0)
    runner.cell = CellRun(scenario, 1, CellDir(tmp_path))
    runner.workers = WorkerMonitor(tmp_path)
    runner._measure_worker_cycles(3)
    assert [phase for phase, _ in waited] == ["ramp", "warm-up", "window"]
    assert waited[0] == ("ramp", 5.0)
