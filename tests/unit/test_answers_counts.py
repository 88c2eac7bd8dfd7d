"""Counts in the sentences of an answer: of whom they are, and how a sentence says one of a kind."""

from dataclasses import replace

from analysis.answers.base import Statement
from analysis.answers.full_resources import FullPlaces
from analysis.answers.measured_scenario import MeasuredScenario
from scenarios.model import Scenario
from tests.unit.answer_samples import AWAITS, FORTY, get_scenario, plant_case, plant_results


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
