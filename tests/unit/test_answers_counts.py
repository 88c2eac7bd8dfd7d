"""Counts in the sentences of an answer: of whom they are, and how a sentence says one of a kind."""

from dataclasses import replace

from analysis.answers.alone import OneScenario
from analysis.answers.base import Statement
from analysis.answers.compose import compose_answer
from analysis.answers.doubts import LowerBound, NotCompared, Undecided
from analysis.answers.full_resources import FullPlaces
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.question import describe_users, write_question
from analysis.answers.same_throughput import SameThroughput
from scenarios.model import Scenario
from tests.unit.answer_samples import (
    AWAITS,
    FORTY,
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
        "10 threads of the pool for 500 users leave 9.6 requests/s (sync-http-pool-10), since 9.9 "
        "of them are taken at a time; with 40 threads, sync-http serves 38.0.",
        "40 threads of the pool for 500 users leave 38.0 requests/s (sync-http), since 39.6 of "
        "them are taken at a time; with async def, async-http-shared serves 491.",
    ]


def test_one_thread_is_not_called_threads() -> None:
    one = plant_case(with_pool("sync-http", 1), 1.0, threads_active_mean=1.0, pool_waiting_peak=400)
    assert find_messages(FullPlaces, one, FORTY) == [
        "1 thread of the pool for 500 users leaves 1.0 requests/s (sync-http-pool-1), since it is "
        "taken all the time; with 40 threads, sync-http serves 38.0."
    ]


# --- trials


def test_trials_that_are_left_out_are_no_part_of_a_median() -> None:
    scenario = get_scenario("async-http-shared")
    errors = ((), ("MACHINE_BUSY",), ("COUNTS_DISAGREE",))
    trials = (plant_cell(scenario, 491.0 / n, each, n) for n, each in enumerate(errors, start=1))
    partly = MeasuredScenario(scenario, tuple(trials))
    left_out = "2 of 3 trials of async-http-shared are left out: COUNTS_DISAGREE and MACHINE_BUSY."
    question = write_question(plant_results(partly, plant_case("sync-http", 38.0, 39.0, 40.0)))
    assert question.endswith(f"and why? Figures are medians of 1 to 3 trials. {left_out}")
    question = write_question(plant_results(partly, plant_case("sync-http", 38.0)))
    assert question.endswith(f"and why? {left_out}")


def test_one_user_pauses() -> None:
    scenario = get_scenario("async-http-shared")
    alone = replace(scenario, load=replace(scenario.load, users=1, think_s=2.0))
    assert describe_users(alone) == "1 user who pauses for 2 s after each answer"


# --- doubts


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
        "sync-http is not compared: its requests were counted differently at their two ends "
        "(COUNTS_DISAGREE).",
        "sync-http-shared may serve more than 40.0 requests/s: the machine was busy with other "
        "work (MACHINE_BUSY); async-http may serve more than 41.0 requests/s: the load generator "
        "may have been the limit (GENERATOR_SATURATED).",
    ]


def test_trials_that_differ_among_themselves_leave_it_open_not_their_number() -> None:
    wild = plant_case("sync-http-shared", 300.0, 491.0, 500.0)
    assert find_messages(Undecided, AWAITS, wild) == [
        "sync-http-shared and async-http-shared serve 491 and 491 requests/s: the trials of "
        "sync-http-shared lie between 300 and 500."
    ]
    apart = (
        plant_case("async-http-shared", 420.0, 490.0, 520.0),
        plant_case("sync-http-shared", 410.0, 490.0, 500.0),
    )
    assert find_messages(Undecided, *apart) == [
        "sync-http-shared and async-http-shared serve 490 and 490 requests/s: the trials of "
        "sync-http-shared and async-http-shared lie between 410 and 520."
    ]


def test_more_trials_tell_nothing_of_a_lower_bound_or_of_failures() -> None:
    doubted = plant_case("sync-http-shared", 303.0, errors=("GENERATOR_SATURATED",))
    assert find_messages(Undecided, plant_case("async-http-shared", 300.0), doubted) == []
    assert find_messages(Undecided, *FAILING) == []


# --- failures


def test_who_serves_nothing_serves_not_the_same_and_is_no_slow_service() -> None:
    assert find_messages(SameThroughput, *FAILING) == []
    assert find_messages(OneScenario, FAILING[0]) == [
        "sync-http-shared serves 0.0 of 500 possible requests/s: all of its answers are failures."
    ]
