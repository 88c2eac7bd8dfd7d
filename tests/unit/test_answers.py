"""An answer says what the records support, and nothing that planted records contradict."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answers.alone import BestScenario, OneScenario
from analysis.answers.background import BackgroundWait, PathWait
from analysis.answers.base import Statement, list_statements
from analysis.answers.blocked import BlockingCall, ClientForEachRequest
from analysis.answers.compose import MOST, choose_statements, compose_answer
from analysis.answers.doubts import WORDS, LowerBound, NotCompared, Undecided
from analysis.answers.failures import FailingAnswers
from analysis.answers.full_resources import FullInterpreter, FullPlaces
from analysis.answers.guidance import load_rule_references
from analysis.answers.killed import WorkersKilled
from analysis.answers.measured_scenario import (
    DESCRIBING,
    LOWERING,
    MeasuredScenario,
    Served,
    serve_alike,
    serves_more,
)
from analysis.answers.results import Results
from analysis.answers.same_throughput import SameThroughput
from analysis.answers.settings import OneSetting, SeveralSettings
from analysis.guide.page import MARKDOWN_LINK
from analysis.guide.rules import load_rules
from analysis.summary.model import BystanderLatency
from analysis.summary.predicates import OF_RESOURCES
from analysis.verdicts.base import VerdictRecord, list_verdicts
from tests.unit.answer_samples import (
    AWAITS,
    BLOCKED,
    DEF,
    EACH,
    FORTY,
    FULL_POOL,
    KILLED,
    OPENING,
    SITE,
    SLOW_PING,
    get_scenario,
    plant_case,
    plant_deaths,
    plant_results,
)


def find(kind: type[Statement], *cases: MeasuredScenario) -> tuple[Statement, ...]:
    return kind.find(plant_results(*cases))


# --- the whole answer


def test_the_default_study_is_answered_in_one_screen() -> None:
    answer = compose_answer(plant_results(FORTY, EACH, DEF, AWAITS, BLOCKED))
    assert answer.title == "def or async def?"
    assert answer.question == (
        "An upstream that takes 1 s, 500 users: which of these 5 scenarios has the highest "
        "throughput, and what limits the other scenarios?"
    )
    assert [type(each) for each in answer.statements] == [
        SameThroughput, BlockingCall, ClientForEachRequest, FullPlaces,
    ]  # fmt: skip
    same, blocked, client, full = (each.message for each in answer.statements)
    assert same == (
        "With one shared client and enough threads, def and async def have the same throughput: "
        "487 and 491 of a possible 500 requests/s."
    )
    assert "async-http-sync-shared serves 1.0 requests/s" in blocked
    assert "async-http-shared serves 491" in blocked
    assert "background requests to /ping wait 9.0 s and 471 of 500 users" in blocked
    assert "With one client per request, async-http serves 49.0 requests/s" in client
    assert "With 40 threads in the pool for 500 users, sync-http serves 38.0 requests/s" in full
    assert [each.rule.number for each in answer.changes if each.rule] == [2, 6, 1]


def test_several_trials_are_said_with_the_question() -> None:
    cases = plant_case("sync-http", 38.0, 39.0), plant_case("async-http-shared", 491.0)
    question = compose_answer(plant_results(*cases)).question
    assert question.endswith("serves more, and why? Figures are medians of 1 or 2 trials.")


def test_an_empty_run_has_an_answer_too() -> None:
    answer = compose_answer(Results(cases=()))
    assert (answer.statements, answer.changes) == ((), ())
    assert answer.question == "Nothing was measured."


def test_every_kind_has_a_rank_of_its_own_order_and_what_was_not_compared_is_always_said() -> None:
    ranks = [each.rank for each in list_statements()]
    assert ranks == sorted(ranks)
    assert len(set(list_statements())) == len(ranks)
    lowered = LowerBound(groups=(((Served("a", 1.0),), ("MACHINE_BUSY",)),))
    (same,) = find(SameThroughput, DEF, AWAITS)
    chosen = choose_statements([(same,) * 9, (lowered,)])
    assert len(chosen) == MOST
    assert chosen[-1] is lowered


def test_one_of_each_kind_comes_before_the_second_of_any() -> None:
    (same,) = find(SameThroughput, DEF, AWAITS)
    (blocked,) = find(BlockingCall, AWAITS, BLOCKED)
    assert choose_statements([(same,) * 9, (blocked,)])[-1] is blocked


# --- rules of the guidance


def test_the_rules_are_those_of_the_guidance() -> None:
    found = {
        each.name: (each.number, each.claim, each.advice)
        for each in load_rule_references().values()
    }
    expected = {
        each.name: (each.number, each.claim, MARKDOWN_LINK.sub(r"\1", each.do))
        for each in load_rules()
    }
    assert "(all seven libraries)" in found["which-library"][2]
    assert ".md" not in "".join(advice for _, _, advice in found.values())
    assert found == expected


# --- verdicts


def test_what_is_said_of_an_error_is_of_an_error_that_there_is() -> None:
    codes = {each.code for each in list_verdicts()}
    assert (DESCRIBING | LOWERING | set(WORDS)) <= codes
    assert set(WORDS) >= LOWERING


# --- the same


@given(st.floats(0.01, 1e5), st.floats(0.5, 2.0))
def test_alike_and_more_exclude_each_other(rate: float, factor: float) -> None:
    one, other = (
        plant_case("sync-http-shared", rate),
        plant_case("async-http-shared", rate * factor),
    )
    found = [serve_alike(one, other), serves_more(one, other), serves_more(other, one)]
    assert sum(found) <= 1
    assert serve_alike(one, other) == serve_alike(other, one)


def test_trials_far_from_each_other_are_not_the_same_whatever_their_median() -> None:
    wild = plant_case("sync-http-shared", 300.0, 491.0, 500.0)
    assert find(SameThroughput, AWAITS, wild) == ()
    assert len(find(Undecided, AWAITS, wild)) == 1


@given(st.floats(300.0, 440.0))
def test_who_serves_clearly_less_is_not_among_the_same(rate: float) -> None:
    found = find(SameThroughput, AWAITS, plant_case("sync-http-shared", rate))
    assert found == ()


def test_a_lower_bound_is_the_same_only_where_it_is_all_that_users_ask_for() -> None:
    reaches = plant_case("sync-http-shared", 487.0, errors=("GENERATOR_SATURATED",))
    assert len(find(SameThroughput, AWAITS, reaches)) == 1
    slow = (
        plant_case("async-http-shared", 300.0),
        plant_case("sync-http-shared", 300.0, errors=("GENERATOR_SATURATED",)),
    )
    assert find(SameThroughput, *slow) == ()


# --- the blocked loop


def test_a_loop_that_was_not_blocked_is_not_blamed() -> None:
    idle = plant_case("async-http-sync-shared", 1.0)
    assert find(BlockingCall, AWAITS, idle) == ()


def test_nobody_waits_where_the_ping_was_not_measured() -> None:
    unknown = BystanderLatency(median_ms=None, p99_ms=None, failures=0, pings=0, unanswered=0)
    silent = replace(
        BLOCKED, trials=(replace(BLOCKED.trials[0], bystander=unknown, users_unanswered=None),)
    )
    (found,) = find(BlockingCall, AWAITS, silent)
    assert "wait" not in found.message
    assert "no answer" not in found.message


def test_a_wait_that_nobody_saw_the_end_of_is_at_least_so_long() -> None:
    bound = replace(SLOW_PING, failures=9, unanswered=9)
    (found,) = find(
        BlockingCall,
        AWAITS,
        replace(BLOCKED, trials=(replace(BLOCKED.trials[0], bystander=bound),)),
    )
    assert "wait at least 9.0 s" in found.message


# --- a client for each request


def test_a_client_is_blamed_by_what_blocked_the_loop() -> None:
    elsewhere = plant_case("async-http", 49.0, loop_blocked_share=0.97, blocking_sites=(SITE,))
    assert find(ClientForEachRequest, AWAITS, elsewhere) == ()
    now_and_then = plant_case("async-http", 49.0, loop_blocked_share=0.3, blocking_sites=(OPENING,))
    assert find(ClientForEachRequest, AWAITS, now_and_then) == ()


def test_a_client_is_blamed_where_nothing_else_differs() -> None:
    shared = get_scenario("call-async-httpx2")
    each = get_scenario("call-async-httpx2-each")
    (found,) = find(ClientForEachRequest, plant_case(shared, 980.0), plant_case(each, 55.0))
    assert "serves 55.0 requests/s" in found.message


# --- full pools


def test_a_pool_whose_threads_are_free_is_not_full() -> None:
    half = plant_case("sync-http", 20.0, threads_active_mean=20.0, pool_waiting_peak=0)
    assert find(FullPlaces, AWAITS, half) == ()


def test_a_full_pool_explains_nothing_next_to_one_that_is_as_large() -> None:
    other = replace(FORTY.scenario, name="other", client=get_scenario("sync-http-shared").client)
    found = find(FullPlaces, FORTY, plant_case(other, 80.0, **FULL_POOL))
    assert found == ()


def test_an_interpreter_explains_nothing_next_to_one_that_takes_as_much() -> None:
    busy = plant_case("call-async-httpx", 86.0, cpu_ms_per_request=11.6)
    assert find(FullInterpreter, busy, plant_case("call-async-aiohttp", 982.0)) == ()


# --- doubts


@pytest.mark.parametrize("code", ["COUNTS_DISAGREE", "PROBE_STOPPED", "OF_LATER"])
def test_a_case_that_is_not_the_services_is_not_compared(code: str) -> None:
    doubted = plant_case("sync-http", 40.0, errors=(code,), **FULL_POOL)
    answer = compose_answer(plant_results(doubted, AWAITS, DEF))
    named = [each for each in answer.statements if "sync-http " in f"{each.message} "]
    assert [type(each) for each in named] == [NotCompared]
    assert code in named[0].message


@pytest.mark.parametrize("code", sorted(LOWERING))
def test_a_lower_bound_is_never_the_slower_one(code: str) -> None:
    slow = plant_case("sync-http-shared", 40.0, errors=(code,))
    assert not serves_more(AWAITS, slow)
    (found,) = find(LowerBound, AWAITS, slow)
    assert "may serve more than 40.0 requests/s" in found.message
    assert code in found.message
    assert "highest throughput" not in found.message  # that of the scenario that awaits is known


def test_two_lower_bounds_leave_open_which_is_higher() -> None:
    both = [
        plant_case(name, rps, errors=("MACHINE_BUSY",))
        for name, rps in (("sync-http-shared", 450.0), ("async-http-shared", 460.0))
    ]
    (found,) = find(LowerBound, *both)
    assert found.message.endswith("So this run does not show which has the highest throughput.")


def test_a_blocked_loop_has_no_time_for_more_on_an_idle_machine_either() -> None:
    busy = plant_case(
        "async-http-sync-shared", 1.0, loop_blocked_share=0.98, errors=("MACHINE_BUSY",)
    )
    (found,) = find(BlockingCall, AWAITS, busy)
    assert "async-http-sync-shared serves 1.0 requests/s" in found.message
    assert find(LowerBound, AWAITS, busy) == ()
    half = plant_case(
        "async-http-sync-shared", 100.0, loop_blocked_share=0.6, errors=("MACHINE_BUSY",)
    )
    (found,) = find(BlockingCall, AWAITS, half)
    assert "serves at least 100 requests/s" in found.message
    assert find(BlockingCall, plant_case("async-http-shared", 180.0), half) == ()
    late = plant_case(
        "async-http-sync-shared", 1.0, loop_blocked_share=0.98, errors=("UPSTREAM_LATE",)
    )
    assert find(BlockingCall, AWAITS, late) == ()


def test_a_lower_bound_may_be_the_faster_one() -> None:
    fast = plant_case("async-http-shared", 400.0, errors=("MACHINE_BUSY",))
    assert serves_more(fast, FORTY)


def test_single_trials_that_differ_by_a_sixth_decide_nothing() -> None:
    pair = plant_case("cpu-async", 98.0), plant_case("cpu-sync", 114.0)
    assert find(SameThroughput, *pair) == ()
    (found,) = find(Undecided, *pair)
    assert re.search(r"98\.0 and 114 requests/s: one trial is not enough", found.message)


def test_five_trials_each_tell_a_difference_that_one_does_not() -> None:
    low = plant_case("cpu-async", 98.0, 99.0, 97.0, 98.5, 97.5)
    high = plant_case("cpu-sync", 108.0, 109.0, 107.0, 108.5, 107.5)
    assert serves_more(high, low)
    mixed = plant_case("cpu-sync", 108.0, 90.0, 107.0, 95.0, 150.0)
    assert not serves_more(mixed, low)


# --- background requests


def ping(median_ms: float, path: str = "/ping", unanswered: int = 0) -> BystanderLatency:
    return BystanderLatency(
        median_ms=median_ms, p99_ms=None, failures=0, pings=9, unanswered=unanswered, path=path
    )


def test_the_path_that_needs_a_thread_waits_under_the_same_load() -> None:
    cases = (
        plant_case("health-async", 79.9, bystander=ping(2.3, "/health"), **FULL_POOL),
        plant_case("health-sync", 79.7, bystander=ping(761.0, "/sync/health"), **FULL_POOL),
    )
    (found,) = find(PathWait, *cases)
    assert found.message == (
        "Under the same load, /sync/health takes 761 ms (median) but /health only 2.3 ms; the slow "
        "path waits for a thread of anyio's pool."
    )
    assert (found.rule, find(BackgroundWait, *cases)) == ("health", ())


def test_who_waits_a_little_does_not_wait() -> None:
    cases = (
        plant_case("cpu-async", 98.0, bystander=ping(90.0)),
        plant_case("cpu-process", 207.0, bystander=ping(2.0)),
    )
    assert find(BackgroundWait, *cases) == ()


def test_who_waits_behind_the_same_scenarios_is_named_with_them() -> None:
    cases = (
        plant_case("cpu-async", 98.0, bystander=ping(1302.0, unanswered=9)),
        plant_case("cpu-process", 207.0, bystander=ping(2.5)),
    )
    (found,) = find(BackgroundWait, *cases)
    assert found.message == (
        "Background requests to /ping take at least 1.3 s (median) in cpu-async, but only 2.5 ms "
        "in cpu-process."
    )


# --- the interpreter


def test_the_interpreter_is_full_only_where_it_used_a_core() -> None:
    busy = plant_case("call-async-httpx", 86.0, cpu_ms_per_request=11.6)
    idle = plant_case("call-async-httpx", 86.0, cpu_ms_per_request=1.0)
    quick = plant_case("call-async-aiohttp", 982.0, cpu_ms_per_request=0.4)
    (found,) = find(FullInterpreter, busy, quick)
    assert found.message == (
        "The interpreter is busy all the time in call-async-httpx: it serves 86.0 requests/s with "
        "11.6 ms of CPU per request, while call-async-aiohttp serves 982 with 0.4 ms."
    )
    assert (found.rule, found.change[:12]) == ("which-library", "use aiohttp,")
    assert find(FullInterpreter, idle, quick) == ()
    (plain,) = find(OneSetting, idle, quick)
    assert plain.message.startswith("With httpx, call-async-httpx serves 86.0 requests/s")


# --- one scenario


def test_one_scenario_says_what_it_serves_of_what_is_asked_and_why_no_more() -> None:
    answer = compose_answer(plant_results(FORTY))
    assert answer.title == "How much does sync-http serve?"
    assert [each.message for each in answer.statements] == [
        "sync-http serves 38.0 of a possible 500 requests/s: all 40 threads in the pool are busy."
    ]


def test_nothing_is_blamed_where_nothing_was_full() -> None:
    (found,) = find(OneScenario, plant_case("sync-http", 38.0))
    assert found.message.endswith("requests/s: no measured resource is saturated.")
    assert (found.rule, found.change) == (None, "")


@pytest.mark.parametrize("code", OF_RESOURCES)
def test_no_answer_denies_a_verdict_that_a_resource_may_be_full(code: str) -> None:
    verdict = VerdictRecord(code, "warning")
    (found,) = find(OneScenario, plant_case("sync-http", 38.0, verdicts=(verdict,)))
    assert found.message.endswith(f"requests/s: a resource may be saturated ({code}).")


def test_the_best_of_several_is_explained_where_users_ask_for_more() -> None:
    (found,) = find(BestScenario, EACH, plant_case("async-http-sync", 1.0))
    assert found.message == (
        "async-http has the highest throughput, 49.0 of a possible 500 requests/s: creating a "
        "client for each request blocks the event loop."
    )
    assert find(BestScenario, EACH, plant_case("sync-http", 47.0)) == ()
    assert find(BestScenario, AWAITS, FORTY) == ()


# --- failures and kills


def test_failures_are_said_above_one_percent() -> None:
    assert find(FailingAnswers, plant_case("async-http", 49.0, failure_ratio=0.01)) == ()
    (found,) = find(FailingAnswers, plant_case("async-http", 49.0, failure_ratio=0.945))
    assert found.message == "94.5 % of the requests in async-http fail."


def test_a_worker_that_ended_with_a_free_loop_was_not_killed_for_blocking() -> None:
    deaths = {"worker_restarts": 2, "verdicts": (plant_deaths(2, KILLED),)}
    free = plant_case("async-http-sync", 1.0, loop_lag_max_ms=900.0, **deaths)
    assert find(WorkersKilled, free) == ()
    blocked = plant_case("async-http-sync", 1.0, loop_lag_max_ms=30_100.0, **deaths)
    (found,) = find(WorkersKilled, blocked)
    assert "killed the worker 2 times (async-http-sync)" in found.message
    assert "no heartbeat for up to 30.1 s, and --worker-timeout is 30 s" in found.message


# --- several settings


def test_of_several_settings_none_is_made_the_cause() -> None:
    fair, classic = AWAITS, plant_case("async-http", 49.0)
    (found,) = find(SeveralSettings, fair, classic)
    assert found.message.startswith(
        "async-http serves 49.0 requests/s and async-http-shared 491; they differ in the client "
        "lifetime, the client library,"
    )
    assert found.change == ""


def test_a_driver_that_no_scenario_names_is_not_called_the_style() -> None:
    orm, driver = plant_case("users-sync", 254.0), plant_case("users-async", 962.0)
    assert find(OneSetting, orm, driver) == ()
    (found,) = find(SeveralSettings, orm, driver)
    assert "they differ in the endpoint's style and the endpoint's code" in found.message


def test_of_a_server_that_is_not_ours_only_its_address_is_named() -> None:
    base = get_scenario("ping-uvicorn")
    both = [
        replace(
            base,
            name=name,
            url=f"http://127.0.0.1:{port}",
            server=replace(base.server, kind="given", workers=workers),
            endpoint=replace(base.endpoint, style="unknown"),
        )
        for name, port, workers in (("a", 1, 1), ("b", 2, 4))
    ]
    (found,) = find(OneSetting, plant_case(both[0], 100.0), plant_case(both[1], 300.0))
    assert found.message == (
        "With the server at http://127.0.0.1:1, a serves 100 requests/s; with the server at "
        "http://127.0.0.1:2, b serves 300, 3.00 times as many."
    )
    (same,) = find(SameThroughput, plant_case(both[0], 100.0), plant_case(both[1], 101.0))
    assert same.message == "a and b have the same throughput: 100 and 101 requests/s."


def test_scenarios_that_differ_in_nothing_known_have_no_cause() -> None:
    twin = replace(get_scenario("sync-http"), name="twin", file_mib=None)
    answer = compose_answer(plant_results(FORTY, plant_case(twin, 400.0)))
    assert (answer.statements, answer.changes) == ((), ())


# --- laws

NAMES = ("sync-http-shared", "async-http-shared", "async-http-sync-shared", "sync-http",
         "async-http", "async-http-offload", "axum-http-shared")  # fmt: skip
ERRORS = ("MACHINE_BUSY", "LITTLE_MISMATCH", "COUNTS_DISAGREE", "WORKER_DEATHS")
FIGURES = st.fixed_dictionaries(
    {
        "errors": st.lists(st.sampled_from(ERRORS), max_size=2, unique=True).map(tuple),
        "loop_blocked_share": st.floats(0.0, 1.0),
        "threads_active_mean": st.floats(0.0, 600.0),
        "pool_waiting_peak": st.integers(0, 500),
        "cpu_ms_per_request": st.none() | st.floats(0.01, 100.0),
        "users_unanswered": st.integers(0, 500),
        "failure_ratio": st.floats(0.0, 1.0),
    }
)
RATES = st.lists(st.floats(0.0, 500.0), min_size=1, max_size=5)


@st.composite
def draw_cases(draw: st.DrawFn) -> tuple[MeasuredScenario, ...]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    return tuple(plant_case(name, *draw(RATES), **draw(FIGURES)) for name in names)


@given(draw_cases())
def test_whatever_was_measured_no_statement_contradicts_it(
    cases: tuple[MeasuredScenario, ...],
) -> None:
    results = plant_results(*cases)
    answer = compose_answer(results)
    assert len(answer.statements) <= MOST
    for family in results.families:
        for each in family.fastest:
            assert each.rate * 1.051 >= family.best.rate
    for found in results.slower:
        assert found.case.is_clean or found.cause == "blocking call"
        assert found.case.rate < found.reference.rate
        if found.cause == "blocking call":
            assert found.case.scenario.endpoint.blocks_the_loop
            assert min(each.loop_blocked_share or 0 for each in found.case.usable_trials) > 0.5
        if found.cause == "client per request":
            assert "shared" in str(found.reference.scenario.client)
            assert "per-request" in str(found.case.scenario.client)
    hidden = {each.name for each in cases if not each.is_usable}
    for statement in answer.statements:
        assert statement.message.endswith(".")
        named = hidden & set(re.findall(r"[\w-]+", statement.message))
        assert not named or isinstance(statement, NotCompared | FailingAnswers | WorkersKilled)
