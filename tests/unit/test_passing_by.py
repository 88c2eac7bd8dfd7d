"""Predictions for requests that are not the load: bystanders, rare requests, background work."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.model import ServerModel
from analysis.theory.prediction import compute_prediction
from analysis.theory.scenario_model import build_server_model
from analysis.theory.simulation import simulate
from scenarios.catalogue import select_scenarios
from scenarios.model import Load, RareRequest, Scenario
from study.cli import main


def scenario(name: str) -> Scenario:
    (found,) = select_scenarios((name,))
    return found


@given(users=st.integers(41, 200), tokens=st.integers(1, 3))
def test_who_needs_a_token_waits_for_the_queue_each_time(users: int, tokens: int) -> None:
    system = ServerModel(
        "def", pool=40, delay_s=0.5, bystander_tokens=tokens, bystander_every_s=0.37
    )
    found = simulate(system, Load(users, spawn_rate=200.0), warm_up_s=10, window_s=40)
    queue_s = (users - 40) / (40 / 0.5)
    assert found.bystander_median_s is not None
    # 40 tokens come free in lockstep: a wait is off by up to one delay, a turn by half of one
    assert found.bystander_median_s == pytest.approx(tokens * queue_s, abs=0.5 * tokens)


def test_who_needs_none_does_not_wait() -> None:
    system = ServerModel("def", pool=40, delay_s=0.5)
    assert simulate(system, Load(200), 10, 20).bystander_median_s == 0.0


def test_the_catalogue_says_who_needs_a_thread() -> None:
    for name, tokens in (
        ("health-sync", 1),
        ("health-async", 0),
        ("depends-sync", 1),
        ("executor-file", 3),
        ("executor-ping", 0),
        ("sync-http", 0),
    ):
        assert build_server_model(scenario(name), 0.001, 2).bystander_tokens == tokens, name


def test_the_default_executor_has_as_many_threads_as_python_says() -> None:
    assert build_server_model(scenario("executor-dns"), 0.001, cores=2).pool == 6
    assert build_server_model(scenario("executor-dns"), 0.001, cores=64).pool == 32


def test_one_in_a_hundred_that_blocks_leaves_at_most_what_the_loop_can_do() -> None:
    rare = ServerModel(
        "async def", delay_s=0.2, loop_cpu_s=0.0001, rare=RareRequest("/", "async def that blocks")
    )
    found = simulate(rare, Load(200, spawn_rate=100.0), warm_up_s=5, window_s=40)
    assert found.ok_rps is not None
    # 200 ms of the loop for each hundred: 500 a second; 40 s end in the middle of a round of 100
    assert 400 < found.ok_rps <= 500 + 100 / 40
    repaired = replace(rare, rare=RareRequest("/", "def"))
    found = simulate(repaired, Load(200, spawn_rate=100.0), warm_up_s=5, window_s=40)
    assert found.ok_rps == pytest.approx(1000, rel=200 / 40_000)  # a user's answer at each edge


def test_its_throughput_is_simulated_since_no_formula_has_it() -> None:
    load = scenario("rare-blocks").load
    shown = compute_prediction(build_server_model(scenario("rare-blocks"), 0.0002, 2), load)
    awaited = compute_prediction(build_server_model(scenario("rare-awaits"), 0.0002, 2), load)
    assert shown.limited_by == "blocked loop"
    assert shown.ok_rps is not None
    assert awaited.ok_rps is not None
    assert shown.ok_rps < 0.6 * awaited.ok_rps


def test_work_after_the_answer_keeps_no_user_waiting_but_fills_the_pool() -> None:
    system = ServerModel(
        "async def that offloads", pool=40, delay_s=0.2, loop_cpu_s=0.0002, answers_first=True,
        bystander_tokens=1, bystander_every_s=0.37,
    )  # fmt: skip
    load = Load(50, think_s=0.2, spawn_rate=50.0)
    short, long = (simulate(system, load, 1, window_s) for window_s in (5.0, 20.0))
    assert short.median_s is not None
    assert short.median_s < 0.01
    assert short.bystander_median_s is not None
    assert long.bystander_median_s is not None
    # 250 a second begin and 200 end: after t the queue is 50 t, and a wait t / 4
    assert short.bystander_median_s < long.bystander_median_s
    assert long.bystander_median_s == pytest.approx((1 + 10) / 4, rel=0.3)  # the start is uneven


def test_work_on_the_loop_after_the_answer_holds_it_like_any_other() -> None:
    load = scenario("background-blocks").load
    shown = compute_prediction(build_server_model(scenario("background-blocks"), 0.0002, 2), load)
    assert shown.ok_rps == pytest.approx(5.0, rel=0.1)  # 1 / 0.2; a window of 15 s holds 75


def test_random_arrivals_wait_for_no_work_that_comes_after_the_answer() -> None:
    system = build_server_model(scenario("background-sync"), 0.0002, 2)
    load = Load(arrival_rate=100.0, arrivals="poisson", duration_s=20.0)
    shown = compute_prediction(system, load)
    assert shown.mean_ms is not None
    assert shown.mean_ms < 1.0  # some CPU, and nothing of the 200 ms


def test_how_many_workers_it_needs_is_not_told_by_its_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["predict", "background-sync", "--target", "500/s", "--p99", "1s", "--cpu", "1ms"]
    assert main(asked) == 2
    assert "responds before its work is done" in capsys.readouterr().err
