"""Comparisons: by which setting, and how far they can be trusted."""

from dataclasses import replace

from analysis.answers.alone import OneScenario
from analysis.answers.measured_scenario import MeasuredScenario, serves_more
from analysis.answers.same_throughput import SameThroughput
from analysis.answers.settings import OneSetting
from analysis.measures.throughput import OpenLoopSummary
from analysis.summary.limit import find_measured_limit
from scenarios.model import Scenario
from tests.unit.answer_samples import get_scenario, plant_case, plant_cell, plant_results

PING = get_scenario("ping-uvicorn")


def test_the_size_of_a_pool_follows_from_there_being_one() -> None:
    results = plant_results(plant_case("tasks-per-request", 100.0), plant_case("tasks-pool", 400.0))
    (found,) = OneSetting.find(results)
    assert found.message == (
        "With one database connection per request, tasks-per-request serves 100 requests/s; "
        "with a pool of database connections, tasks-pool serves 400, 4.00 times as many."
    )


def test_a_ratio_to_a_lower_bound_is_one_too() -> None:
    one = replace(PING, name="a", server=replace(PING.server, loop="asyncio"))
    other = replace(PING, name="b", server=replace(PING.server, loop="uvloop"))
    bound = plant_case(other, 3000.0, errors=("GENERATOR_SATURATED",))
    (found,) = OneSetting.find(plant_results(plant_case(one, 1000.0), bound))
    assert found.message == (
        "With asyncio, a serves 1,000 requests/s; with uvloop, b serves at least 3,000, at least "
        "3.00 times as many."
    )


def build_own(name: str, path: str) -> Scenario:
    """A scenario of a user's file: a group that the catalogue does not know, and no subject."""
    return replace(
        PING, name=name, group="mine", subject="", endpoint=replace(PING.endpoint, path=path)
    )


def test_endpoints_of_a_file_of_the_users_own_are_different_work() -> None:
    results = plant_results(
        plant_case(build_own("health", "/health"), 4000.0),
        plant_case(build_own("report", "/report"), 20.0),
    )
    assert results.slower == ()
    assert [each.message for each in OneScenario.find(results)] == [
        "health serves 4,000 requests/s: no measured resource is saturated.",
        "report serves 20.0 requests/s: no measured resource is saturated.",
    ]
    same = (plant_case(build_own(name, "/report"), 20.0) for name in "ab")
    assert len(SameThroughput.find(plant_results(*same))) == 1


def plant_random_arrivals(sustained_rps: float, offered_rps: float = 10.0) -> MeasuredScenario:
    """At a rate of 10 requests/s."""
    base = get_scenario("async-http-shared")
    scenario = replace(base, load=replace(base.load, arrival_rate=10.0, arrivals="poisson"))
    loop = OpenLoopSummary(
        arrival_rate=10.0, arrivals="poisson", offered_rps=offered_rps, sustained_rps=sustained_rps,
        backlog_growth_per_s=0.0, overloaded=False, service_median_ms=1.0, service_p99_ms=2.0,
    )  # fmt: skip
    cell = plant_cell(scenario, sustained_rps, users=None, open_loop=loop)
    return MeasuredScenario(scenario, (cell,))


def test_of_random_arrivals_more_may_come_than_their_rate_says() -> None:
    (found,) = OneScenario.find(plant_results(plant_random_arrivals(10.6)))
    assert (
        found.message == "async-http-shared serves 10.6 requests/s: it keeps up with the arrivals."
    )
    (fewer,) = OneScenario.find(plant_results(plant_random_arrivals(6.0)))
    assert "serves 6.0 of a possible 10.0 requests/s" in fewer.message


def test_of_random_arrivals_fewer_came_by_chance_not_by_a_setting() -> None:
    fewer, more = (plant_random_arrivals(each, offered_rps=each) for each in (8.0, 11.0))
    assert not serves_more(more, fewer)
    assert serves_more(more, plant_random_arrivals(8.0, offered_rps=11.0))


def test_what_a_saturated_generator_sent_is_not_all_that_could_come() -> None:
    case = plant_random_arrivals(6.0, offered_rps=6.0)
    limited = tuple(
        replace(each, verdicts=plant_cell(case.scenario, 6.0, ("GENERATOR_SATURATED",)).verdicts)
        for each in case.trials
    )
    assert MeasuredScenario(case.scenario, limited).ceiling_rps == 10.0
    assert find_measured_limit(limited[0], case.scenario).resource != "arrivals"


def test_of_random_arrivals_fewer_may_come_than_their_rate_says() -> None:
    (found,) = OneScenario.find(plant_results(plant_random_arrivals(8.1, offered_rps=8.2)))
    assert (
        found.message == "async-http-shared serves 8.1 requests/s: it keeps up with the arrivals."
    )
