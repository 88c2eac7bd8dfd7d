"""`study predict`: a single number of users gives the same result as in a range."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.theory.cpu_law import CpuLaw
from analysis.theory.formulas import compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.ordered import (
    MOST_USERS_PLAYED,
    TooManyUsersError,
    keeps_order,
    simulate_closed_loop,
)
from analysis.theory.prediction import compute_prediction
from analysis.theory.simulation import simulate
from analysis.theory.steady import (
    compute_steady_curve,
    find_failure,
    predict_steady_state,
    simulate_responses,
)
from records.prediction import OverloadPrediction, Prediction
from scenarios.errors import UserError
from scenarios.model import Load, RareRequest, Style
from study.cli import main

model = partial(ServerModel, cpu_jitter="exponential")


@pytest.mark.parametrize(
    ("server", "load"),
    [
        (model("def", loop_cpu_s=0.001), Load(users=100_000)),
        (model("def", loop_cpu_s=0.001), Load(users=1_000_000)),
        (
            model("def", loop_cpu_s=0.0001, pool=1_000_000, connections=1_000_000),
            Load(users=1_000_000),
        ),
        (model("async def", loop_cpu_s=0.0001), Load(users=100_000)),
        (model("async def that blocks", loop_cpu_s=0.0001), Load(users=500)),
        (model("def", loop_cpu_s=0.001, delay_s=0.2), Load(users=100, think_s=0.3)),
        (
            model("def", loop_cpu_s=0.001, delay_s=0.2),
            Load(users=100, think_s=0.3, think_spread_s=0.3),
        ),
        (model("def", loop_cpu_s=0.001, workers=3, pool=5), Load(users=17, think_s=0.5)),
    ],
)
def test_one_number_and_a_range_give_the_same_row_and_it_obeys_littles_law(
    server: ServerModel, load: Load
) -> None:
    found = predict_steady_state(server, load)
    users = [load.users // 2, load.users, 2 * load.users]
    curve = compute_steady_curve(server, load, users)
    point = curve.points[1]
    assert point.users == load.users
    assert found.ok_rps is not None
    assert found.mean_ms is not None
    assert found.ok_rps == pytest.approx(point.ok_rps)
    assert found.mean_ms == pytest.approx(1000 * point.mean_s)
    assert found.ok_rps * (found.mean_ms / 1000 + load.think_s) == pytest.approx(load.users)
    assert found.median_ms is not None
    assert found.p99_ms is not None
    assert found.median_ms <= found.p99_ms
    # of the same responses as the mean, by simulation
    assert found.median_ms == pytest.approx(found.mean_ms, rel=0.08)
    assert found.transient is False


def test_the_question_of_the_issue_has_one_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Exact for a full pool of 40 with 1 s of delay and 1 ms of CPU: 39.958 per second, by manual
    mean-value analysis of the chain of 40 requests inside."""
    assert main(["predict", "sync-http", "--users", "100000", "--cpu", "1ms", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["sync-http"]
    queue, rate = 0.0, 0.0
    for inside in range(1, 41):
        response_s = 0.001 * (1 + queue)
        rate = inside / (1.0 + response_s)
        queue = rate * response_s
    assert found["ok_rps"] == pytest.approx(rate, rel=1e-6)
    assert found["mean_ms"] == pytest.approx(1000 * 100_000 / rate, rel=1e-6)
    assert "warm-up" in found["reason"]  # a run shows another mean


@given(
    st.integers(1, 200),
    st.integers(1, 60),
    st.floats(0.05, 2.0),
    st.floats(0.05, 2.0),
)
@settings(max_examples=25, deadline=None)
def test_constant_times_have_the_closed_form(
    users: int, pool: int, delay_s: float, think_s: float
) -> None:
    """D/D/c with constant pauses: min(users / (delay + think), pool / delay)."""
    server = ServerModel("def", pool=pool, delay_s=delay_s)
    (point,) = compute_curve(server, [users], think_s).points
    exact = min(users / (delay_s + think_s), pool / delay_s)
    assert point.ok_rps == pytest.approx(exact, rel=2e-3)


def test_the_knee_of_constant_times_whatever_the_seed() -> None:
    """100 users, 300 ms + 200 ms, 40 threads: exponential times would have 192.5 a second, constant
    ones have 200. With 1 ms of random CPU: 198.7 by the simulation with events (three seeds, 300 s
    each: 198.63 to 198.65)."""
    server = model("def", loop_cpu_s=0.0, delay_s=0.2, pool=40)
    (point,) = compute_curve(server, [100], 0.3).points
    assert point.ok_rps == pytest.approx(200.0, rel=1e-6)
    random = model("def", loop_cpu_s=0.001, delay_s=0.2, pool=40)
    load = Load(users=100, think_s=0.3)
    rates = [simulate_closed_loop(random, load, 0.5, seed).ok_rps for seed in range(8)]
    assert np.ptp(rates) < 0.002 * 198.7
    assert compute_curve(random, [100], 0.3).points[0].ok_rps == pytest.approx(198.7, rel=0.002)


def test_uniform_pauses_wait_between_constant_and_exponential_ones() -> None:
    """0 to 600 ms, mean 300 ms. The simulation with events has 193.6 (seeds 1 to 3, 300 s each:
    193.4 to 193.8); the formula's exponential service 192.5 whatever the pauses."""
    server = model("def", loop_cpu_s=0.001, delay_s=0.2, pool=40)
    (point,) = compute_curve(server, [100], 0.3, 0.3).points
    assert point.ok_rps == pytest.approx(193.6, rel=0.005)
    shown = simulate(server, Load(users=100, think_s=0.3, think_spread_s=0.3), 5, 60)
    assert shown.ok_rps == pytest.approx(point.ok_rps, rel=0.01)


@pytest.mark.parametrize(
    ("server", "load"),
    [
        (model("def", loop_cpu_s=0.01, pool=5, delay_s=0.1), Load(users=8, think_s=0.1)),
        (model("async def", loop_cpu_s=0.02, connections=4, delay_s=0.1), Load(users=6)),
        (model("def", loop_cpu_s=0.02, pool=9, connections=6, delay_s=0.1), Load(users=30)),
        (model("async def that blocks", loop_cpu_s=0.01, delay_s=0.1), Load(users=8, think_s=0.8)),
    ],
)
def test_it_is_the_simulation_with_events(server: ServerModel, load: Load) -> None:
    """400 s hold 4,000 to 20,000 requests: the CPU's mean is good to 1 %."""
    mine = simulate_closed_loop(server, load, 0.2)
    theirs = simulate(server, load, 10, 400)
    assert theirs.ok_rps == pytest.approx(mine.ok_rps, rel=0.02)
    assert theirs.mean_s == pytest.approx(mine.responses_s.mean(), rel=0.05)
    assert theirs.p99_s == pytest.approx(np.quantile(mine.responses_s, 0.99), rel=0.1)


def test_the_rare_request_that_blocks_is_in_it() -> None:
    server = model("async def", loop_cpu_s=0.001, delay_s=0.2)
    server = replace(server, rare=RareRequest("/x", "async def that blocks"))
    assert keeps_order(server)
    mine = simulate_closed_loop(server, Load(users=50), 0.2)
    theirs = simulate(server, Load(users=50), 5, 100)
    # two seeds of 20,000 requests: 200 blocks each
    assert theirs.ok_rps == pytest.approx(mine.ok_rps, rel=0.03)
    assert theirs.p99_s == pytest.approx(np.quantile(mine.responses_s, 0.99), rel=0.05)


def test_more_users_than_fill_the_server_are_added_to_the_queue() -> None:
    server = model("async def", loop_cpu_s=0.01, delay_s=0.2)
    knee, rate = 21.0, 100.0
    added = simulate_responses(server, Load(users=1000), rate, knee)
    played = simulate_closed_loop(server, Load(users=1000), 10.0).responses_s
    for q in (0.01, 0.5, 0.99):
        assert np.quantile(added, q) == pytest.approx(np.quantile(played, q), rel=0.03)


def test_workers_that_are_killed_have_no_row_in_a_range() -> None:
    server = model("async def", loop_cpu_s=0.02, worker_timeout_s=30.0)
    curve = compute_steady_curve(server, Load(), [500, 5000])
    assert [each.users for each in curve.points] == [500]
    assert "gunicorn kills" in (curve.ends_because or "")
    assert find_failure(server, 500) is None
    with pytest.raises(UserError, match="gunicorn kills"):
        compute_steady_curve(server, Load(), [5000, 10_000])
    many = predict_steady_state(server, Load(users=100_000))
    assert (many.ok_rps, many.limited_by) == (None, "worker kills")
    assert many.reason is not None


def test_a_run_that_ends_before_the_first_kill_is_no_steady_state() -> None:
    """Ten rounds of 4 s exceed the timeout of 30 s, and the run ends after 10 s."""
    server = model("async def that blocks", loop_cpu_s=0.001, worker_timeout_s=30.0)
    found = predict_steady_state(server, Load(users=4, duration_s=10.0))
    assert (found.ok_rps, found.limited_by) == (None, "worker kills")
    assert "no steady state with 4 users: gunicorn kills" in (found.reason or "")


@pytest.mark.parametrize("style", ["async def", "def"])
def test_users_who_wait_too_long_for_a_connection_have_no_row(
    style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 connections of one second each: the last of 200 users would wait for 9 s."""
    server = model(style, pool=200, loop_cpu_s=0.001, connections=20, client_timeout_s=2.0)
    curve = compute_steady_curve(server, Load(), [10, 50, 100, 1000])
    assert [each.users for each in curve.points] == [10, 50]
    assert "requests fail with 100 users" in (curve.ends_because or "")
    assert predict_steady_state(server, Load(users=200)).limited_by == "client timeout"
    # too many requests for the simulation, and too many users
    cut_short = Prediction(ok_rps=20.0, limited_by="connections")
    monkeypatch.setattr("analysis.theory.steady.compute_prediction", lambda *_: cut_short)
    for users in (15_000, 100_000):
        many = predict_steady_state(server, Load(users=users))
        assert (many.ok_rps, many.limited_by) == (None, "client timeout")
        assert "20 connections" in (many.reason or "")


def test_users_who_think_or_wait_for_a_thread_wait_for_no_connection() -> None:
    server = model("async def", loop_cpu_s=0.001, connections=20, client_timeout_s=2.0)
    assert find_failure(server, 100) is not None
    assert find_failure(server, 100, think_s=4.0) is None
    assert find_failure(replace(server, style="def", pool=40), 1_000_000) is None
    assert find_failure(replace(server, client_timeout_s=None), 1_000_000) is None
    busy = model("async def", loop_cpu_s=0.02, worker_timeout_s=30.0)
    assert find_failure(busy, 5000) is not None
    assert find_failure(busy, 5000, think_s=100.0) is None


def test_the_ceiling_is_that_of_all_workers_on_their_cores() -> None:
    server = model("async def", workers=8, cores=2, delay_s=0.0, loop_cpu_s=0.01)
    few = compute_steady_curve(server, Load(), range(1, 9))
    assert few.highest_rps == pytest.approx(200)
    for find in (predict_steady_state, compute_prediction):
        assert find(server, Load(users=1)).ceiling_rps == pytest.approx(200)


def test_the_ceiling_of_arrivals_is_that_of_a_full_server() -> None:
    """1 ms alone, and 3 ms with many in flight."""
    law = CpuLaw(0.001, company_s=0.002)
    server = model("async def", delay_s=1.0, loop_cpu_s=0.001, cpu_law=law)
    rare = predict_steady_state(server, Load(arrival_rate=1.0, arrivals="poisson"))
    assert rare.ceiling_rps == pytest.approx(1 / 0.003, rel=0.01)


@pytest.mark.parametrize("style", ["async def", "async def to the executor"])
def test_only_the_pool_of_anyio_wakes_the_newest_first(style: Style) -> None:
    server, load = model(style, loop_cpu_s=0.001, pool=6), Load(users=1000)
    newest = predict_steady_state(replace(server, queue="lifo"), load)
    assert newest == predict_steady_state(server, load)


def test_a_run_that_does_not_tell_who_starves_has_no_quantiles() -> None:
    server = model("def", pool=4, loop_cpu_s=0.001, queue="lifo")
    found = predict_steady_state(server, Load(users=1000, duration_s=1.0))
    assert (found.median_ms, found.p99_ms, found.starved) == (None, None, None)
    assert found.mean_ms == pytest.approx(250_000, rel=0.01)
    assert "1,000 users are not simulated" in (found.reason or "")


def test_so_many_users_are_not_simulated_one_by_one() -> None:
    users = 5 * MOST_USERS_PLAYED
    constant = predict_steady_state(ServerModel("async def"), Load(users=users))
    assert constant.median_ms == constant.p99_ms == pytest.approx(1000)
    wide = predict_steady_state(ServerModel("def", pool=users), Load(users=users))
    assert wide.ok_rps == pytest.approx(users)
    assert (wide.median_ms, wide.p99_ms) == (None, None)
    assert "are not simulated" in (wide.reason or "")
    waiting = Load(users=users, think_s=1.0)  # near the knee, where the formula is not exact
    assert compute_curve(ServerModel("def", pool=users // 2), [users], 1.0).points[0].ok_rps > 0
    with pytest.raises(TooManyUsersError):
        simulate_closed_loop(ServerModel("def", pool=users // 2), waiting, 1.0)


def test_the_newest_first_starves_all_but_a_few_of_any_crowd() -> None:
    server = model("def", loop_cpu_s=0.001, queue="lifo")
    found = predict_steady_state(server, Load(users=100_000))
    assert found.starved is not None
    assert 99_000 < found.starved < 100_000
    assert found.mean_ms is not None
    assert found.mean_ms < 2000  # of the served users


def test_an_overloaded_open_loop_follows_the_formula_as_the_length_of_the_test(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Published: 50,000 requests at 10,000 per second against 317.27, p50 75 s. Request k waits k
    (1/C - 1/rate): derived by hand in issue 14."""
    words = ["predict", "async-json", "--cpu", f"{1000 / 317.27:.6f}ms", "--requests", "50000"]
    assert main([*words, "--arrival-rate", "10000/s", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["async-json"]
    shown = [found["overload"][key] / 1000 for key in ("p10_ms", "p50_ms", "p99_ms", "max_ms")]
    assert shown == pytest.approx([15.26, 76.30, 151.07, 152.59], abs=0.01)
    assert found["median_ms"] == found["overload"]["p50_ms"]
    assert "the length of the test" in found["reason"]


def test_an_overload_is_what_the_simulation_plays() -> None:
    """50 per second are offered, 40 served: all of 2,000 requests get a response."""
    server = model("def", loop_cpu_s=0.0, pool=40)
    predicted = predict_steady_state(server, Load(arrival_rate=50.0, requests=2000))
    assert isinstance(predicted, OverloadPrediction)
    found = predicted.overload
    # the last answer comes after 2000 / 40 s; a window of 50 s from the first request on
    shown = simulate(server, Load(arrival_rate=50.0), 0, 51.0)
    assert shown.median_s is not None
    assert shown.p99_s is not None
    # forty are answered together, once a second
    assert 1000 * shown.median_s == pytest.approx(found.p50_ms, abs=500)
    assert 1000 * shown.p99_s == pytest.approx(found.p99_ms, abs=500)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--requests", "9"], "give --arrival-rate too"),
        (["--requests", "9", "--users", "1..9"], "a range of --users"),
        (["--requests", "9", "--arrival-rate", "9/s"], "leave it out"),
        (["--requests", "9", "--arrival-rate", "99/s", "--duration", "9s"], "--duration"),
        (["--requests", "0", "--arrival-rate", "99/s"], "--requests 0"),
    ],
)
def test_a_length_that_says_nothing_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "sync-http", "--cpu", "1ms", *words]) == 2
    assert said in capsys.readouterr().err
