"""The limit of a scenario is stated as measured: each sentence comes from a planted record."""

from dataclasses import replace

import pytest

from analysis.answers.alone import OneScenario
from analysis.answers.base import Statement
from analysis.answers.blocked import BlockingCall, ClientForEachRequest
from analysis.answers.full_resources import FullPlaces
from analysis.answers.killed import WorkersKilled
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.settings import OneSetting
from analysis.measures.thread_calls import ExecutorUse
from analysis.report.limit_words import describe_measured_limit
from analysis.summary.limit import find_measured_limit
from analysis.verdicts.base import VerdictRecord
from scenarios.model import Scenario
from tests.unit.answer_samples import (
    AWAITS,
    BLOCKED,
    EACH,
    FULL_POOL,
    KILLED,
    OPENING,
    SITE,
    get_scenario,
    plant_case,
    plant_cell,
    plant_deaths,
    plant_error,
    plant_results,
)

TAKES_LONG = "each request takes that long by itself, without waiting for another"
COMPUTING = replace(SITE, file="stress/cpu.py", function="burn", cause="compute")
GIL = replace(SITE, function="load", cause="gil")
EXECUTOR = {"executor": ExecutorUse(8, 7.9, 900.0)}


def find(kind: type[Statement], *cases: MeasuredScenario) -> tuple[Statement, ...]:
    return kind.find(plant_results(*cases))


def explain_one(case: MeasuredScenario) -> tuple[str, str | None]:
    """The reason for the limit, and the rule."""
    (found,) = find(OneScenario, case)
    return found.message.split(": ", 1)[1], found.rule


def change_users(name: str, users: int) -> Scenario:
    found = get_scenario(name)
    return replace(found, load=replace(found.load, users=users))


# --- users


def test_users_who_get_less_than_they_ask_for_do_not_ask_for_no_more() -> None:
    one, two = change_users("async-http-shared", 1), change_users("async-http-shared", 2)
    short = replace(change_users("async-http-shared", 10), delay_s=0.01)
    many = replace(short, server=replace(short.server, workers=8))
    assert explain_one(plant_case(one, 0.3)) == (f"{TAKES_LONG}.", None)
    assert explain_one(plant_case(two, 1.6, cpu_ms_per_request=250.0)) == (f"{TAKES_LONG}.", None)
    assert explain_one(plant_case(many, 490.0, cpu_ms_per_request=10.0))[0] == f"{TAKES_LONG}."
    assert explain_one(plant_case(one, 0.99))[0] == "the users send no more."


@pytest.mark.parametrize(("share", "rate"), [(0.06, 470.0), (0.3, 384.0)])
def test_an_upstream_that_answers_late_is_named_instead_of_the_users(
    share: float, rate: float
) -> None:
    late = plant_case(
        "async-http-shared", rate, errors=("UPSTREAM_LATE",), upstream_late_share=share
    )
    assert explain_one(late) == ("the upstream responds late.", None)


def test_failures_of_a_user_who_is_alone_are_not_what_is_asked_for() -> None:
    one = change_users("async-http-shared", 1)
    failing = plant_case(one, 0.5, rps=1.0, failure_ratio=0.5)
    assert explain_one(failing)[0] == "no measured resource is saturated."


# --- workers that ended


@pytest.mark.parametrize(
    ("deaths", "causes", "clause", "rule"),
    [
        (1, "ended by itself", "1 worker ended by itself", None),
        (2, "ended by itself", "2 workers ended by themselves", None),
        (2, f"ended by itself, {KILLED}", "2 workers ended", None),
        (1, KILLED, "a worker is killed", "gunicorn-timeout"),
        (4, KILLED, "the worker is killed repeatedly", "gunicorn-timeout"),
    ],
)
def test_only_what_the_server_killed_was_killed(
    deaths: int, causes: str, clause: str, rule: str | None
) -> None:
    case = plant_case(
        "async-http",
        400.0,
        worker_restarts=deaths,
        failure_ratio=0.02,
        loop_lag_max_ms=31_000.0,
        verdicts=(plant_deaths(deaths, causes),),
    )
    assert explain_one(case) == (f"{clause}.", rule)
    assert bool(find(WorkersKilled, case)) == (rule is not None)


def test_kills_are_counted_by_scenario() -> None:
    killed = {
        "worker_restarts": 1,
        "loop_lag_max_ms": 31_000.0,
        "verdicts": (plant_deaths(1, KILLED),),
    }
    cases = (plant_case(name, 1.0, **killed) for name in ("async-http-sync", "async-http"))
    (found,) = find(WorkersKilled, *cases)
    assert found.message == (
        "gunicorn killed the worker 1 time (async-http-sync) and 1 time (async-http): its event "
        "loop sent no heartbeat for up to 31.0 s, and --worker-timeout is 30 s."
    )


# --- cores, computing, trials


def test_programs_that_are_not_ours_are_not_called_server_and_load() -> None:
    full = {"used": 3.95, "cores": 4, "other programs": 3.2, "server": 0.5, "load": 0.2}
    verdicts = (VerdictRecord("CORES_FULL", "warning", data=full), plant_error("MACHINE_BUSY"))
    case = plant_case("async-http-shared", 120.0, verdicts=verdicts)
    clause = "other programs use more of 4 cores than the server or the load generator."
    assert explain_one(case) == (clause, None)


def test_code_that_computes_on_the_loop_is_not_called_a_blocking_call() -> None:
    figures = {"loop_blocked_share": 0.97, "blocking_sites": (COMPUTING,)}
    processes = plant_case("cpu-process", 207.0)
    computing = plant_case("cpu-async", 88.0, cpu_ms_per_request=10.5, **figures)
    clause, rule = explain_one(computing)
    share = "code computes on the event loop for 97.0 % of the time"
    assert clause == f"{share}, mostly at {COMPUTING}."
    assert rule == "cpu"
    (found,) = find(OneScenario, computing)
    assert found.change == "move the work to a process pool"
    assert find(BlockingCall, computing, processes) == ()
    (slower,) = find(OneSetting, computing, processes)
    assert slower.message == (
        "With async def that blocks the event loop, cpu-async serves 88.0 requests/s; with async "
        "def that runs its work in processes, cpu-process serves 207, 2.35 times as many."
    )


def test_the_line_that_is_named_does_what_is_said_of_it() -> None:
    """Two lines compute, and one waits longer than each of them."""
    sites = (
        replace(SITE, share=0.4, cause="wait"),
        replace(COMPUTING, share=0.35),
        replace(COMPUTING, share=0.25, line=99),
    )
    case = plant_case("cpu-async", 88.0, loop_blocked_share=0.97, blocking_sites=sites)
    share = "code computes on the event loop for 58.2 % of the time"
    assert explain_one(case)[0] == f"{share}, for example at {sites[1]}."
    limit = find_measured_limit(case.trials[0], case.scenario)
    assert describe_measured_limit(limit).endswith(
        f"97.0 % of the time, for example at {sites[1]}."
    )


def test_a_blocking_call_has_only_the_time_for_which_it_waits() -> None:
    """The rest of the blocked time is computation, or another thread's."""
    sites = (replace(SITE, share=0.6), replace(COMPUTING, share=0.3), replace(GIL, share=0.1))
    errors = ("MACHINE_BUSY",)
    mixed = plant_case(
        BLOCKED.scenario, 60.0, loop_blocked_share=0.9, blocking_sites=sites, errors=errors
    )
    assert explain_one(mixed) == (
        "a blocking call blocks the event loop for 54.0 % of the time.",
        "one-blocks-all",
    )
    assert mixed.most_rps == pytest.approx(60 / 0.54)
    less = plant_case(
        BLOCKED.scenario, 60.0, loop_blocked_share=0.8, blocking_sites=sites, errors=errors
    )
    assert (less.blocked_share, less.most_rps) == (None, None)


def test_trials_that_disagree_are_not_trials_in_which_nothing_was_full() -> None:
    scenario = get_scenario("sync-http")
    full = plant_cell(scenario, 38.0, (), 1, **FULL_POOL)
    busy = plant_cell(scenario, 39.0, (), 2, cpu_ms_per_request=25.0)
    clause = "its trials have different limits (interpreter, pool threads)."
    assert explain_one(MeasuredScenario(scenario, (full, busy))) == (clause, None)
    blank = plant_cell(scenario, 39.0, (), 2)
    clause = "its trials have different limits (none, pool threads)."
    assert explain_one(MeasuredScenario(scenario, (full, blank))) == (clause, None)


# --- places


def test_the_executor_is_not_called_the_pool() -> None:
    full = plant_case("executor-ping", 38.0, **EXECUTOR)
    clause = "all 8 threads in asyncio's executor are busy."
    assert explain_one(full) == (clause, "second-pool")
    (found,) = find(OneScenario, full)
    assert found.change.startswith("give the executor one thread for each request in flight")
    awaits = replace(full.scenario, name="mine", endpoint=AWAITS.scenario.endpoint)
    (found,) = find(FullPlaces, full, plant_case(awaits, 240.0))
    assert found.message == (
        "With 8 threads in asyncio's executor for 50 users, executor-ping serves 38.0 requests/s, "
        "since on average 7.9 of them are busy; with async def, mine serves 240."
    )
    assert (found.rule, found.change[:17]) == ("second-pool", "give the executor")


def test_an_executor_next_to_an_executor_explains_nothing() -> None:
    full = plant_case("executor-ping", 38.0, **EXECUTOR)
    assert find(FullPlaces, full, plant_case(replace(full.scenario, name="mine"), 240.0)) == ()


def test_one_thread_is_not_all_threads() -> None:
    found = get_scenario("sync-http")
    one = replace(found, server=replace(found.server, pool=1))
    full = plant_case(one, 1.0, threads_active_mean=1.0, pool_waiting_peak=400)
    assert explain_one(full)[0] == "the only thread in the pool is busy."


# --- a client for each request


def test_what_costs_no_more_is_no_reason() -> None:
    cheaper = plant_case("call-async-httpx2-each", 55.0, cpu_ms_per_request=0.8)
    (found,) = find(
        ClientForEachRequest,
        plant_case("call-async-httpx2", 980.0, cpu_ms_per_request=0.9),
        cheaper,
    )
    assert found.message == (
        "With one client per request, call-async-httpx2-each serves 55.0 requests/s; with one "
        "shared client, call-async-httpx2 serves 980."
    )


def test_cpu_is_no_reason_where_the_answers_fail() -> None:
    shared = plant_case("async-http-shared", 491.0, cpu_ms_per_request=0.8)
    failing = plant_case(
        EACH.scenario,
        0.0,
        rps=20.0,
        cpu_ms_per_request=35.1,
        failure_ratio=1.0,
        loop_blocked_share=0.97,
        blocking_sites=(OPENING,),
        worker_restarts=2,
        verdicts=(plant_deaths(2, KILLED),),
    )
    (found,) = find(ClientForEachRequest, shared, failing)
    assert found.message == (
        "With one client per request, async-http serves 0.0 requests/s; with one shared "
        "client, async-http-shared serves 491 (async-http: 100.0 % of its requests fail and the "
        "worker is killed repeatedly)."
    )
    alive = replace(failing.trials[0], worker_restarts=0, verdicts=(), failure_ratio=0.7)
    (found,) = find(ClientForEachRequest, shared, MeasuredScenario(failing.scenario, (alive,)))
    assert found.message.endswith(" serves 491 (async-http: 70.0 % of its requests fail).")
