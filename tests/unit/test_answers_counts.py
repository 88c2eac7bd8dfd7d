"""Counts in the sentences of an answer: what they count, and the singular."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answers.alone import OneScenario
from analysis.answers.background import BackgroundWait
from analysis.answers.base import Statement
from analysis.answers.blocked import BlockingCall
from analysis.answers.compose import compose_answer
from analysis.answers.doubts import LowerBound, NotCompared, Undecided
from analysis.answers.explanation import explain_limit
from analysis.answers.failures import FailingBackground
from analysis.answers.full_resources import FullPlaces
from analysis.answers.measured_scenario import MeasuredScenario, Served
from analysis.answers.question import describe_users, write_question
from analysis.answers.same_throughput import SameThroughput
from analysis.report.limit_words import describe_measured_limit
from analysis.summary.limit import MeasuredLimit
from analysis.summary.model import BystanderLatency
from scenarios.model import Scenario
from tests.unit.answer_samples import (
    AWAITS,
    BLOCKED,
    FORTY,
    SLOW_PING,
    get_scenario,
    plant_case,
    plant_cell,
    plant_results,
)


def find_messages(kind: type[Statement], *cases: MeasuredScenario) -> list[str]:
    return [each.message for each in kind.find(plant_results(*cases))]


def with_pool(name: str, pool: int) -> Scenario:
    found = get_scenario(name)
    return replace(found, name=f"{name}-pool-{pool}", server=replace(found.server, pool=pool))


TEN = plant_case(with_pool("sync-http", 10), 9.6, threads_active_mean=9.9, pool_waiting_peak=490)


FAILING = tuple(
    plant_case(name, 0.0, rps=800.0, failure_ratio=1.0, cpu_ms_per_request=1.2)
    for name in ("sync-http-shared", "async-http-shared")
)

# --- places


def test_each_size_of_a_pool_has_its_own_sentence() -> None:
    assert find_messages(FullPlaces, FORTY, TEN, AWAITS) == [
        "With 10 threads in the pool for 500 users, sync-http-pool-10 serves 9.6 requests/s, since "
        "on average 9.9 of them are busy; with 40 threads, sync-http serves 38.0.",
        "With 40 threads in the pool for 500 users, sync-http serves 38.0 requests/s, since on "
        "average 39.6 of them are busy; with async def, async-http-shared serves 491.",
    ]


def with_two_workers(name: str, own: str, connections: int, rps: float) -> MeasuredScenario:
    found = get_scenario(name)
    server = replace(found.server, pool=connections, workers=2)
    client = found.client and replace(found.client, connections=connections)
    database = found.database and replace(found.database, pool=connections)
    scenario = replace(found, name=own, server=server, client=client, database=database)
    scenario = replace(scenario, delay_s=1.0)
    busy = {"threads_active_mean": 2.0 * connections, "pool_waiting_peak": 200}
    return plant_case(scenario, rps, **busy)


@pytest.mark.parametrize(
    ("name", "places", "more"),
    [
        ("sync-http-shared", "40 threads in the pool", "80 threads"),
        ("async-http-shared", "40 connections of the client", "80 connections"),
        ("tasks-pool", "40 connections to the database", "80 connections"),
    ],
)
def test_the_places_of_all_workers_are_counted_on_both_sides(
    name: str, places: str, more: str
) -> None:
    (found,) = find_messages(
        FullPlaces, with_two_workers(name, "a", 20, 38.0), with_two_workers(name, "b", 40, 76.0)
    )
    assert found.startswith(f"With {places} for ")
    assert found.endswith(f"; with {more}, b serves 76.0.")


def test_one_thread_is_not_called_threads() -> None:
    one = plant_case(with_pool("sync-http", 1), 1.0, threads_active_mean=1.0, pool_waiting_peak=400)
    assert find_messages(FullPlaces, one, FORTY) == [
        "With 1 thread in the pool for 500 users, sync-http-pool-1 serves 1.0 requests/s, since it "
        "is always busy; with 40 threads, sync-http serves 38.0."
    ]


# --- trials


def test_trials_that_are_left_out_are_no_part_of_a_median() -> None:
    scenario = get_scenario("async-http-shared")
    errors = ((), ("MACHINE_BUSY",), ("COUNTS_DISAGREE",))
    trials = (plant_cell(scenario, 491.0 / n, each, n) for n, each in enumerate(errors, start=1))
    partly = MeasuredScenario(scenario, tuple(trials))
    left_out = (
        "2 of 3 trials of async-http-shared are left out because of error verdicts "
        "(COUNTS_DISAGREE and MACHINE_BUSY)."
    )
    question = write_question(plant_results(partly, plant_case("sync-http", 38.0, 39.0, 40.0)))
    assert question.endswith(f"and why? Figures are medians of 1 to 3 trials. {left_out}")
    question = write_question(plant_results(partly, plant_case("sync-http", 38.0)))
    assert question.endswith(f"and why? {left_out}")
    alone = write_question(plant_results(partly))
    assert alone.endswith(f"(an upstream that takes 1 s, 500 users). {left_out}")


def test_one_user_pauses() -> None:
    scenario = get_scenario("async-http-shared")
    alone = replace(scenario, load=replace(scenario.load, users=1, think_s=2.0))
    assert describe_users(alone) == "1 user who pauses for 2 s after each response"


# --- doubts


@given(st.floats(0.05, 1e6))
def test_a_lower_bound_is_not_rounded_up(rps: float) -> None:
    shown = str(Served("sync-http", rps, is_bound=True)).removeprefix("at least ").replace(",", "")
    assert float(shown) <= rps + 1e-9 < float(shown) + (1 if rps >= 100 else 0.1) + 1e-6


def test_all_doubts_are_said_and_what_is_not_compared_comes_first() -> None:
    answer = compose_answer(
        plant_results(
            plant_case("sync-http-shared", 40.0, errors=("MACHINE_BUSY",)),
            plant_case("async-http", 41.0, errors=("GENERATOR_SATURATED",)),
            plant_case("sync-http", 42.0, errors=("COUNTS_DISAGREE",)),
            AWAITS,
        )
    )
    assert [type(each) for each in answer.statements[-2:]] == [NotCompared, LowerBound]
    assert [each.message for each in answer.statements[-2:]] == [
        "sync-http is not compared: its request counts disagree (COUNTS_DISAGREE).",
        "sync-http-shared may serve more than 40.0 requests/s: the machine was busy with other "
        "work (MACHINE_BUSY); async-http may serve more than 41.0 requests/s: the load generator "
        "may have been the limit (GENERATOR_SATURATED).",
    ]


def test_trials_that_differ_among_themselves_leave_it_open_not_their_number() -> None:
    wild = plant_case("sync-http-shared", 300.0, 491.0, 500.0)
    assert find_messages(Undecided, AWAITS, wild) == [
        "sync-http-shared and async-http-shared serve 491 and 491 requests/s: this difference is "
        "undecided, because the trials of sync-http-shared range from 300 to 500."
    ]
    apart = (
        plant_case("async-http-shared", 420.0, 490.0, 520.0),
        plant_case("sync-http-shared", 410.0, 490.0, 500.0),
    )
    assert find_messages(Undecided, *apart) == [
        "sync-http-shared and async-http-shared serve 490 and 490 requests/s: this difference is "
        "undecided, because the trials of sync-http-shared and async-http-shared range from 410 "
        "to 520."
    ]


def test_single_trials_that_agree_are_not_said_to_differ() -> None:
    """The one at its ceiling has an error verdict, so the two are not said to serve the same."""
    at_ceiling = plant_case("sync-http-shared", 497.0, errors=("MACHINE_BUSY",))
    assert find_messages(Undecided, plant_case("async-http-shared", 474.0), at_ceiling) == [
        "async-http-shared and sync-http-shared serve 474 and 497 requests/s: one trial is not "
        "enough to show a difference (--trials 5)."
    ]


def test_more_trials_tell_nothing_of_a_lower_bound_or_of_failures() -> None:
    doubted = plant_case("sync-http-shared", 303.0, errors=("GENERATOR_SATURATED",))
    assert find_messages(Undecided, plant_case("async-http-shared", 300.0), doubted) == []
    assert find_messages(Undecided, *FAILING) == []


# --- failures


def test_who_serves_nothing_serves_not_the_same_and_is_no_slow_service() -> None:
    assert find_messages(SameThroughput, *FAILING) == []
    assert find_messages(OneScenario, FAILING[0]) == [
        "sync-http-shared serves 0.0 of a possible 500 requests/s: all of its requests fail."
    ]


# --- background requests


def refuse(count: int, median_ms: float | None = 3.0) -> BystanderLatency:
    """Refuse so many of 30."""
    return BystanderLatency(
        median_ms=median_ms, p99_ms=None, failures=count, pings=30, unanswered=0
    )


@pytest.mark.parametrize(
    ("ping", "said"),
    [
        (refuse(25), "25 of 30 background requests to /ping fail"),
        (refuse(30, None), "30 of 30 background requests to /ping fail"),
        (refuse(1), "1 of 30 background requests to /ping fails"),
        (refuse(9, 700.0), "background requests to /ping wait 700 ms and 9 of 30 fail"),
    ],
)
def test_a_quick_refusal_is_no_quick_answer(ping: BystanderLatency, said: str) -> None:
    (found,) = find_messages(OneScenario, plant_case("async-http-shared", 300.0, bystander=ping))
    assert found.endswith(f"no measured resource is saturated; {said}.")


def test_who_refuses_background_requests_is_not_the_quick_one() -> None:
    slow = plant_case("cpu-async", 98.0, bystander=SLOW_PING)
    refusing = plant_case("cpu-process", 207.0, bystander=refuse(27))
    assert find_messages(BackgroundWait, slow, refusing) == []
    assert find_messages(FailingBackground, slow, refusing) == [
        "Background requests to /ping fail: 27 of 30 in cpu-process."
    ]
    assert find_messages(FailingBackground, refusing) == []


def test_failing_background_requests_leave_out_only_the_harm_that_is_said() -> None:
    """Only the worst of several blocked scenarios has its harm in the sentence about them."""
    worst = replace(BLOCKED, trials=(replace(BLOCKED.trials[0], bystander=refuse(9)),))
    other = plant_case(
        get_scenario("async-http-sync"), 2.0, loop_blocked_share=0.99, bystander=refuse(4)
    )
    (said,) = find_messages(BlockingCall, AWAITS, worst, other)
    assert "in async-http-sync-shared" in said
    assert find_messages(FailingBackground, AWAITS, worst, other) == [
        "Background requests to /ping fail: 4 of 30 in async-http-sync."
    ]


def test_one_user_gets_no_answer_and_many_have_a_comma() -> None:
    scenario = BLOCKED.scenario
    many = replace(scenario, load=replace(scenario.load, users=12_000))
    figures = {"loop_blocked_share": 0.99, "errors": ("LITTLE_MISMATCH",)}
    (found,) = find_messages(BlockingCall, BLOCKED, AWAITS)
    assert found.endswith("wait 9.0 s and 471 of 500 users get no response at all.")
    (found,) = find_messages(OneScenario, plant_case(many, 1.0, users_unanswered=11_970, **figures))
    assert found.endswith("; 11,970 of 12,000 users get no response at all.")
    (found,) = find_messages(OneScenario, plant_case(scenario, 1.0, users_unanswered=1, **figures))
    assert found.endswith("; 1 of 500 users gets no response at all.")


# --- limits


@pytest.mark.parametrize(
    ("limit", "clause", "sentence"),
    [
        (
            MeasuredLimit("cores", 2.3, 1, "server"),
            "the server uses a whole core",
            "The server was saturated: 2.30 cores in use by 1 worker.",
        ),
        (
            MeasuredLimit("cores", 3.95, 4, "machine"),
            "the server and the load generator together use all of 4 cores",
            "The cores of the machine were saturated: 3.95 of 4 in use.",
        ),
        (
            MeasuredLimit("interpreter", 0.97, 1),
            "the interpreter is busy all the time",
            "The Python interpreter was saturated: it used 0.97 cores; one interpreter can use "
            "about 1 (more only in code that releases the GIL).",
        ),
        (
            MeasuredLimit("pool threads", 1.0, 1, "anyio's pool"),
            "the only thread in the pool is busy",
            "The threads of anyio's pool were saturated: 1.0 of 1 in use.",
        ),
        (
            MeasuredLimit("unexplained", closest=MeasuredLimit("pool threads", 32.0, 40)),
            "no measured resource is saturated",
            "No measured resource was saturated; the pool threads came closest, at 80.0 %.",
        ),
    ],
)
def test_one_of_a_kind_is_said_as_one(limit: MeasuredLimit, clause: str, sentence: str) -> None:
    assert (explain_limit(limit).clause, describe_measured_limit(limit)) == (clause, sentence)
