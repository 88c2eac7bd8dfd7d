"""Predictions checked against laws and against each other: failures, timeouts, arrivals, cores."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.theory.cores import compute_crowding
from analysis.theory.formulas import compute_curve, estimate_poisson_mean_s
from analysis.theory.model import ServerModel
from analysis.theory.prediction import compute_prediction
from analysis.theory.scenario_model import build_server_model
from analysis.theory.simulation import simulate
from scenarios.catalogue import select_scenarios
from scenarios.model import Arrivals, Load, ServerKind, Style
from scenarios.overrides import apply_overrides
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.settings import Overrides
from stress.plan import expects_worker_kills

ALL = MachineResources(uvloop=True, httptools=True, go=True)


LIMIT = "client timeout"


@pytest.mark.parametrize(
    ("name", "overrides", "fails_after_ms"),
    [
        ("async-http", Overrides(users=20, delay_s=10.0), 5000),
        ("async-http-shared", Overrides(users=20, delay_s=0.5, client_timeout_s=0.1), 100),
        ("async-http-shared", Overrides(arrival_rate=20, delay_s=0.5, client_timeout_s=0.1), 100),
        ("async-http-sync", Overrides(users=1, delay_s=0.5, client_timeout_s=0.1), 100),
    ],
)
def test_where_every_client_gives_up_no_answer_is_good(
    name: str, overrides: Overrides, fails_after_ms: float
) -> None:
    (chosen,) = apply_overrides(select_scenarios((name,)), overrides)
    found = compute_prediction(
        build_server_model(resolve_scenario(chosen, ALL), 0.001), chosen.load
    )
    assert (found.ok_rps, found.ceiling_rps, found.limited_by) == (0.0, 0.0, LIMIT)
    # 20 users with some half a millisecond of CPU each before they ask
    for told_ms in (found.mean_ms, found.median_ms, found.p99_ms):
        assert told_ms == pytest.approx(fails_after_ms, abs=20)


def test_who_waits_too_long_for_a_connection_fails_and_the_others_do_not() -> None:
    narrow = ServerModel("async def", connections=10, client_timeout_s=2.5)
    found = compute_prediction(narrow, Load(users=50))  # the last of them would wait for 4 s
    assert found.limited_by == LIMIT
    assert found.ceiling_rps == pytest.approx(10)
    assert found.ok_rps == pytest.approx(10, rel=1 / 30)  # a round at the window's edge


KINDS: tuple[Style, ...] = (
    "def", "async def", "async def that blocks", "async def that offloads",
)  # fmt: skip
systems = st.builds(
    ServerModel,
    style=st.sampled_from(KINDS),
    workers=st.integers(1, 3),
    pool=st.integers(1, 40),
    connections=st.none() | st.integers(1, 40),
    delay_s=st.floats(0.0, 2.0),
    loop_cpu_s=st.floats(0.002, 0.02),
    cores=st.none() | st.integers(1, 3),
    cpu_jitter=st.just("exponential"),
    worker_timeout_s=st.sampled_from([0.0, 5.0, 30.0]),
    client_timeout_s=st.none() | st.floats(0.05, 3.0),
)
crowds = st.builds(
    Load,
    users=st.integers(1, 60),
    duration_s=st.floats(1.0, 10.0),
    think_s=st.floats(0.0, 2.0),
    arrival_rate=st.none() | st.floats(0.5, 60.0),
    arrivals=st.sampled_from(["constant", "poisson"]),
)


@settings(max_examples=60, deadline=None)
@given(systems, crowds)
def test_no_mean_is_above_the_slowest_answers(system: ServerModel, load: Load) -> None:
    """In theory, one response in a hundred could take a hundred times as long; here none does."""
    found = compute_prediction(system, load)
    # a sum of equal times, divided, is not always their value to the last digit
    for told_ms in (found.mean_ms, found.median_ms):
        if told_ms is not None and found.p99_ms is not None:
            assert told_ms <= found.p99_ms * (1 + 1e-9)
    assert found.cpu_ms == 1000 * system.loop_cpu_s


@pytest.mark.parametrize(
    ("name", "users", "cpu_s", "ok_rps"),
    [
        ("async-json-sync", 500, 0.000177, 1 / 0.000177),
        ("async-json-sync", 50, 0.000177, 1 / 0.000177),
        ("async-http-shared", 10_000, 0.0005, 2000),
    ],
)
def test_fast_answers_to_many_users_have_figures_too(
    name: str, users: int, cpu_s: float, ok_rps: float
) -> None:
    """A real ramp and warm-up would have too many requests to simulate. With one full queue all
    wait one turn, within the randomness of that many CPU times: 10 % at 50, less with more."""
    (chosen,) = apply_overrides(select_scenarios((name,)), Overrides(users=users))
    found = compute_prediction(
        build_server_model(resolve_scenario(chosen, ALL), cpu_s), chosen.load
    )
    # beyond 3,000 users the formula is an approximation
    assert found.ok_rps == pytest.approx(ok_rps, rel=1e-4)
    turn_ms = 1000 * users / ok_rps
    assert found.mean_ms == pytest.approx(turn_ms, rel=1e-4)
    assert found.median_ms == pytest.approx(turn_ms, rel=0.02)
    assert found.p99_ms is not None
    assert turn_ms < found.p99_ms < 1.5 * turn_ms


def test_more_blocking_calls_than_are_simulated_still_have_figures() -> None:
    load = Load(users=20_000)
    found = compute_prediction(
        ServerModel("async def that blocks", delay_s=0.0, loop_cpu_s=0.0002), load
    )
    # every turn is of all users, and 0.2 ms each are 4 s
    assert found.mean_ms == pytest.approx(4000)
    assert found.median_ms == pytest.approx(4000, rel=0.01)


def open_mean_ms(system: ServerModel, rate: float, arrivals: Arrivals) -> float:
    load = Load(arrival_rate=rate, arrivals=arrivals, duration_s=100)
    found = compute_prediction(system, load)
    assert found.mean_ms is not None
    return found.mean_ms


def test_even_arrivals_wait_less_than_random_ones() -> None:
    narrow = ServerModel("async def", connections=100)
    # even ones leave a connection free each time; random ones wait for one, near the ceiling
    assert open_mean_ms(narrow, 99, "constant") == pytest.approx(1000)
    assert 1050 < open_mean_ms(narrow, 99, "poisson") < 2000
    blocked = ServerModel("async def that blocks", delay_s=0.01)
    assert open_mean_ms(blocked, 90, "constant") == pytest.approx(10)
    # M/D/1: half of ρ / (1 - ρ) services of waiting
    assert open_mean_ms(blocked, 90, "poisson") == pytest.approx(10 + 45)


@pytest.mark.parametrize(
    "system",
    [
        ServerModel("async def", connections=10, delay_s=0.5, loop_cpu_s=0.02),
        ServerModel("def", pool=10, delay_s=0.5, loop_cpu_s=0.02),
    ],
)
def test_the_mean_under_random_arrivals_is_what_the_simulation_plays(system: ServerModel) -> None:
    """16 per second on ten servers of half a second: 80 % busy. 32,000 requests with
    long-correlated waits: the worst of eight seeds was 3.6 % above. The formula takes one queue at
    a time, and the second queue's arrivals are not quite random."""
    told_s = estimate_poisson_mean_s(system, 16.0)
    played = simulate(
        replace(system, cpu_jitter="exponential"),
        Load(arrival_rate=16.0, arrivals="poisson"),
        20,
        2000,
    )
    assert told_s is not None
    assert played.mean_s == pytest.approx(told_s, rel=0.06)


def test_the_cpu_told_is_that_of_the_endpoint_alone() -> None:
    crowded = ServerModel("async def", workers=8, cores=2, delay_s=0.0, loop_cpu_s=0.01)
    many, one = (
        compute_prediction(crowded, Load(users=400)),
        compute_prediction(crowded, Load(users=1)),
    )
    assert many.cpu_ms == one.cpu_ms == 10
    assert many.ok_rps == pytest.approx(200)  # two cores, shared by all processes
    assert one.ok_rps == pytest.approx(100)  # one worker is busy, and has one core


def test_the_first_users_of_a_sweep_have_a_core_each() -> None:
    crowded = ServerModel("async def", workers=8, cores=2, delay_s=0.0, loop_cpu_s=0.01)
    found = compute_curve(crowded, [1, 2, 4, 8])
    assert [each.ok_rps for each in found.points] == pytest.approx([100, 200, 200, 200])
    assert found.highest_rps == pytest.approx(200)


@pytest.mark.parametrize(
    ("workers", "cores", "delay_s", "users", "mean_ms", "share"),
    [(8, 2, 1.0, 8, 1010.1, 0.001), (8, 2, 1.0, 100, 1013.7, 0.001), (4, 1, 0.1, 4, 113.5, 0.01),
     (8, 2, 1.0, 150, 1022.5, 0.002), (16, 4, 0.1, 32, 113.1, 0.01), (3, 2, 0.1, 15, 117.1, 0.02),
     (4, 1, 0.1, 12, 136.4, 0.10), (8, 2, 1.0, 200, 1060.1, 0.05), (8, 2, 1.0, 400, 2009.0, 0.01)],
)  # fmt: skip
def test_workers_crowd_each_other_as_far_as_they_are_busy(
    workers: int, cores: int, delay_s: float, users: int, mean_ms: float, share: float
) -> None:
    """Means of 16,000 requests of a separate simulation, in which busy workers share the cores
    equally and a request computes 10 ms. The formula is least exact just before all cores are
    full."""
    server = ServerModel("async def", workers=workers, cores=cores, delay_s=delay_s,
                         loop_cpu_s=0.01, cpu_jitter="exponential")  # fmt: skip
    (found,) = compute_curve(server, [users]).points
    assert 1000 * found.mean_s == pytest.approx(mean_ms, rel=share)


@given(st.integers(1, 20), st.integers(1, 8), st.floats(0, 1), st.floats(0, 1))
def test_crowding_grows_from_none_to_that_of_full_cores(
    workers: int, cores: int, one: float, other: float
) -> None:
    most, (lower, higher) = workers / cores, sorted((one * cores, other * cores))
    assert compute_crowding(workers, cores, 0.0) == pytest.approx(min(1.0, most))
    assert compute_crowding(workers, cores, cores) == pytest.approx(most)
    fewer, more = (compute_crowding(workers, cores, busy) for busy in (lower, higher))
    assert fewer <= more <= most


def test_crowding_of_very_many_workers_is_that_of_a_queue_for_the_cores() -> None:
    """M/M/1: 1/(1 - ρ), M/M/2: 1/(1 - ρ²) times the service."""
    assert compute_crowding(1e9, 1, 0.5) == pytest.approx(2.0)
    assert compute_crowding(1e9, 2, 1.0) == pytest.approx(4 / 3)


@given(st.floats(0.01, 100.0))
def test_an_overload_serves_the_same_however_much_is_offered(excess: float) -> None:
    """The cores of blocked loops are never full: 8 workers that wait for 0.3 s of 0.38."""
    server = ServerModel("async def that blocks", workers=8, cores=2, delay_s=0.3, loop_cpu_s=0.06)
    full = server.scale_cpu_to_rate()
    capacity = 8 / full.undisturbed_s
    assert 8 / (0.3 + 4 * 0.06) < capacity < 8 / 0.36
    offered = server.scale_cpu_to_rate(capacity + excess)
    assert offered.loop_cpu_s == pytest.approx(full.loop_cpu_s)
    assert server.scale_cpu_to_users(10_000).loop_cpu_s == pytest.approx(full.loop_cpu_s)


def test_users_who_think_do_not_crowd_idle_cores() -> None:
    server = ServerModel("async def", workers=8, cores=2, delay_s=0.1, loop_cpu_s=0.05)
    (found,) = compute_curve(server, [8], think_s=10.0).points
    assert found.mean_s == pytest.approx(0.15, rel=0.01)
    one = server.scale_cpu_to_rate(0.8)
    assert one.loop_cpu_s == pytest.approx(0.05, rel=0.001)
    assert server.scale_cpu_to_rate().loop_cpu_s == pytest.approx(0.2)


kinds: st.SearchStrategy[ServerKind] = st.sampled_from(["gunicorn", "uvicorn"])


@given(
    st.integers(1, 1000),
    st.integers(1, 8),
    st.integers(0, 60),
    st.floats(0.0, 5.0),
    st.floats(0.1, 5.0),
    kinds,
)
def test_theory_expects_kills_where_the_runner_does(
    users: int,
    workers: int,
    timeout_s: int,
    delay_s: float,
    client_timeout_s: float,
    kind: ServerKind,
) -> None:
    (plain,) = select_scenarios(("async-http-sync",))
    assert plain.client is not None
    asked = replace(
        plain,
        load=replace(plain.load, users=users),
        delay_s=delay_s,
        server=replace(plain.server, kind=kind, workers=workers, worker_timeout_s=timeout_s),
        client=replace(plain.client, timeout_s=client_timeout_s),
    )
    assert build_server_model(asked, 0.001).is_killed_by(users) is expects_worker_kills(asked)
