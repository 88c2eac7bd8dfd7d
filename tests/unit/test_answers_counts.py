"""Counts in the sentences of an answer: of whom they are, and how a sentence says one of a kind."""

from dataclasses import replace

from analysis.answers.base import Statement
from analysis.answers.full_resources import FullPlaces
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.question import describe_users, write_question
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
