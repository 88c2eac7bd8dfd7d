"""Sweeps, contrasts, capacity searches and exercises each have their own question and answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answers.capacities import LatencyBelowCapacity, SustainedRate, UnknownCapacity
from analysis.answers.compose import compose_answer, export_answer
from analysis.answers.contrasts import OverallContrast
from analysis.answers.exercises import ExerciseOutcome
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.results import Results, collect_results
from analysis.answers.sweeps import SweepCollapse, SweepComparison, SweepThroughput
from analysis.measures.throughput import OpenLoopSummary
from analysis.report.answer_lines import render_answer_lines, render_answer_markdown
from analysis.report.table import WIDTH
from analysis.summary.capacity import Knee
from analysis.summary.contrast import Entrant
from analysis.summary.model import CellSummary
from analysis.summary.run import ExerciseRecord, RunSettings, summarize_run
from analysis.summary.sweep import SweepSettings
from analysis.verdicts.base import VerdictRecord
from records.prediction import Prediction
from scenarios.catalogue import CATALOGUE
from scenarios.model import Scenario
from scenarios.sweep import SweepStep
from tests.unit.answer_samples import (
    AWAITS,
    BLOCKED,
    DEF,
    EACH,
    FORTY,
    SLOW_PING,
    get_scenario,
    plant_case,
    plant_cell,
    plant_error,
    plant_results,
)

BASE = replace(get_scenario("sync-http-shared"), delay_s=0.2)


def collect(
    cells: Sequence[CellSummary], scenarios: Sequence[Scenario], settings: RunSettings
) -> Results:
    asked = replace(
        settings,
        scenarios=tuple(each.name for each in scenarios),
        definitions={each.name: each for each in scenarios},
    )
    return collect_results(summarize_run(cells, asked))


SETTINGS = RunSettings("study run", (), 1, ())


# --- sweeps


def build_step(base: Scenario, pool: int) -> Scenario:
    return replace(base, name=f"{base.name}.pool-{pool}", server=replace(base.server, pool=pool))


def sweep_pools(
    rates: Mapping[int, float], others: Mapping[int, float] | None = None, **figures: object
) -> Results:
    """A sweep of one scenario, or of two."""
    bases = {BASE: rates} | ({get_scenario("async-http-offload"): others} if others else {})
    scenarios, cells, steps = [], [], []
    for base, known in bases.items():
        for pool, rate in known.items():
            step = build_step(replace(base, delay_s=0.2), pool)
            scenarios.append(step)
            cells.append(plant_cell(step, rate, **figures))  # type: ignore[arg-type]
            steps.append(SweepStep(step.name, base.name, pool))
    settings = replace(SETTINGS, sweep=SweepSettings("pool", tuple(steps)))
    return collect(cells, scenarios, settings)


def test_a_sweep_says_from_where_on_more_brings_nothing() -> None:
    answer = compose_answer(sweep_pools({10: 49.6, 40: 196.0, 250: 733.0, 500: 526.0}))
    assert answer.title == "What does --pool change?"
    assert answer.question == (
        "An upstream that takes 200 ms, 500 users: what does sync-http-shared serve with --pool "
        "10, 40, 250 and 500?"
    )
    (found,) = answer.statements
    assert found.message == (
        "sync-http-shared serves 49.6 requests/s with --pool 10 and 733 with --pool 250; beyond "
        "that, more costs throughput: 526 with --pool 500."
    )
    (change,) = answer.changes
    assert change.text == "give the pool 250 threads for this load, and no more"
    assert change.rule is not None
    assert change.rule.address == "docs/guidance.md#rule-raise-the-pool"


def test_a_sweep_that_still_pays_at_its_end_has_no_end() -> None:
    (found,) = compose_answer(sweep_pools({10: 50.0, 40: 200.0})).statements
    assert found.message == (
        "sync-http-shared serves 50.0 requests/s with --pool 10 and 200 with --pool 40."
    )


def test_a_sweep_with_a_doubted_step_does_not_say_where_it_ends() -> None:
    results = sweep_pools({10: 50.0, 40: 200.0, 250: 200.0}, errors=("GENERATOR_SATURATED",))
    assert SweepThroughput.find(results) == ()
    assert "may serve more" in compose_answer(results).statements[0].message


def test_two_scenarios_of_a_sweep_are_compared_at_each_value() -> None:
    results = sweep_pools({10: 50.0, 40: 200.0}, {10: 50.5, 40: 100.0})
    (found,) = SweepComparison.find(results)
    assert found.message == (
        "sync-http-shared and async-http-offload are equally fast with --pool 10; with --pool "
        "40, sync-http-shared serves 200 requests/s and async-http-offload 100."
    )


@given(st.dictionaries(st.integers(1, 500), st.floats(0.0, 500.0), min_size=2, max_size=6))
def test_what_a_sweep_says_is_enough_serves_nearly_the_most(rates: dict[int, float]) -> None:
    results = sweep_pools(dict(sorted(rates.items())))
    for found in SweepThroughput.find(results):
        assert isinstance(found, SweepThroughput)
        if found.enough is not None:
            assert rates[int(found.enough)] >= 0.95 * max(rates.values())


def test_a_collapse_says_where_it_begins() -> None:
    scenarios = [
        replace(BASE, name=f"s.users-{users}", load=replace(BASE.load, users=users))
        for users in (50, 100, 500)
    ]
    cells = [
        plant_cell(each, rate, cpu_ms_per_request=cpu_ms)
        for each, rate, cpu_ms in zip(
            scenarios, (240.0, 450.0, 200.0), (1.0, 1.0, 5.0), strict=True
        )
    ]
    steps = tuple(SweepStep(each.name, "s", each.load.users) for each in scenarios)
    results = collect(cells, scenarios, replace(SETTINGS, sweep=SweepSettings("users", steps)))
    (found,) = SweepCollapse.find(results)
    assert found.message == (
        "s has its highest throughput at 100 users; from 500 users on it serves less, because CPU "
        "per request grows: 55.6 % less at 500 users."
    )


def collapse(base: Scenario) -> Results:
    """Throughput collapses at 1 user already."""
    scenarios = [
        replace(base, name=f"s.users-{users}", load=replace(base.load, users=users))
        for users in (1, 10)
    ]
    cells = [
        plant_cell(each, rate, cpu_ms_per_request=cpu_ms)
        for each, rate, cpu_ms in zip(scenarios, (300.0, 100.0), (1.0, 4.0), strict=True)
    ]
    steps = tuple(SweepStep(each.name, "s", each.load.users) for each in scenarios)
    return collect(cells, scenarios, replace(SETTINGS, sweep=SweepSettings("users", steps)))


def test_a_collapse_is_the_librarys_only_where_there_is_a_client() -> None:
    (found,) = SweepCollapse.find(collapse(get_scenario("nothing-async")))
    assert found.message.startswith("s has its highest throughput at 1 user; from 10 users ")
    assert found.change == "keep at most about 1 request in flight"
    assert found.rule is None
    (client,) = SweepCollapse.find(collapse(BASE))
    assert client.rule == "which-library"


def test_a_pool_that_no_request_needs_is_not_advised_on() -> None:
    base, cells, scenarios = get_scenario("async-http-shared"), [], []
    for pool, rate in ((10, 490.0), (500, 489.0)):
        scenarios.append(build_step(base, pool))
        cells.append(plant_cell(scenarios[-1], rate))
    steps = tuple(SweepStep(each.name, base.name, each.server.pool) for each in scenarios)
    settings = replace(SETTINGS, sweep=SweepSettings("pool", steps))
    (found,) = SweepThroughput.find(collect(cells, scenarios, settings))
    assert (found.rule, found.change) == (None, "")
    (one,) = SweepThroughput.find(sweep_pools({1: 40.0, 10: 40.5}))
    assert one.change == "give the pool 1 thread for this load, and no more"


# --- contrasts


def contrast(rates: Mapping[str, Mapping[str, float]], **errors: tuple[str, ...]) -> Results:
    """By subject and contender; `errors` by contender."""
    scenarios, cells = [], []
    for subject, contenders in rates.items():
        for contender, rate in contenders.items():
            each = replace(
                get_scenario("contrast-root-def"),
                name=f"{subject[1:]}-{contender}",
                subject=subject,
                contender=contender,
            )
            scenarios.append(each)
            cells.append(plant_cell(each, rate, errors.get(contender, ())))
    entrants = tuple(Entrant(each.subject, each.contender, each.name) for each in scenarios)
    return collect(cells, scenarios, replace(SETTINGS, entrants=entrants))


TWO = {"/a": {"base": 100.0, "fast": 200.0}, "/b": {"base": 100.0, "fast": 800.0}}


def test_a_contrast_is_over_all_endpoints() -> None:
    answer = compose_answer(contrast(TWO))
    assert answer.title == "Which scenario serves more?"
    assert answer.question.endswith("which of these 4 scenarios on 2 endpoints has the highest "
                                    "throughput, and what limits the other scenarios?")  # fmt: skip
    (found,) = answer.statements
    assert found.message == (
        "fast serves 4.00 times as much as base over 2 endpoints (geometric mean): from 2.00 times "
        "on /a to 8.00 times on /b."
    )


def test_a_contrast_says_no_difference_where_there_is_none() -> None:
    found = OverallContrast.find(
        contrast({"/a": {"base": 100.0, "fast": 101.0}, "/b": {"base": 100.0, "fast": 98.0}})
    )
    assert [each.message for each in found] == [
        "fast is as fast as base on each of the 2 endpoints."
    ]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ({"fast": ("GENERATOR_SATURATED",)}, ["fast serves at least 4.00 times"]),
        ({"base": ("GENERATOR_SATURATED",)}, []),
        ({"fast": ("COUNTS_DISAGREE",)}, []),
    ],
)
def test_a_doubted_base_is_no_base(errors: dict[str, tuple[str, ...]], said: list[str]) -> None:
    found = OverallContrast.find(contrast(TWO, **errors))
    assert [each.message[:31] for each in found] == said


OTHERS = {"/c": {"own": 100.0, "base": 300.0}, "/d": {"own": 100.0, "base": 1200.0}}


def test_endpoints_with_another_base_have_a_mean_of_their_own() -> None:
    found = OverallContrast.find(contrast({"/c": OTHERS["/c"], **TWO, "/d": OTHERS["/d"]}))
    assert [each.message for each in found] == [
        "base serves 6.00 times as much as own over 2 endpoints (geometric mean): from 3.00 times "
        "on /c to 12.0 times on /d.",
        "fast serves 4.00 times as much as base over 2 endpoints (geometric mean): from 2.00 times "
        "on /a to 8.00 times on /b.",
    ]


def test_what_is_not_compared_over_several_endpoints_is_compared_by_itself() -> None:
    results = contrast({**TWO, "/c": OTHERS["/c"]})
    assert [(each.case.name, each.reference.name) for each in results.slower] == [
        ("c-own", "c-base")
    ]
    assert len(OverallContrast.find(results)) == 1


# --- capacity


def search(
    rates: Mapping[float, bool], errors: tuple[str, ...] = (), failure_ratio: float = 0.0
) -> Results:
    """Steps at these rates, and whether each is sustained; errors and failures belong to the last
    step."""
    cells = []
    for rate, sustained in rates.items():
        step = replace(
            BASE, name=f"{BASE.name}-at-{rate:g}", load=replace(BASE.load, arrival_rate=rate)
        )
        own, failing = (errors, failure_ratio) if rate == max(rates) else ((), 0.0)
        blank = plant_cell(step, rate, own, failure_ratio=failing)
        loop = build_loop(rate, sustained)
        pool = {"threads_active_mean": 499.0, "pool_waiting_peak": 0 if sustained else 90}
        cells.append(
            replace(blank, users=None, open_loop=loop, requests=100, **pool)  # type: ignore[arg-type]
        )
    return collect(cells, [BASE], replace(SETTINGS, capacity=True))


def build_loop(rate: float, sustained: bool) -> OpenLoopSummary:
    return OpenLoopSummary(
        arrival_rate=rate,
        arrivals="constant",
        offered_rps=rate,
        sustained_rps=rate if sustained else 80.0,
        backlog_growth_per_s=0.0 if sustained else 30.0,
        overloaded=not sustained,
        service_median_ms=200.0,
        service_p99_ms=210.0,
        formula_median_ms=None,
    )


def test_a_search_says_what_is_sustained_and_what_limits() -> None:
    results = search({60.0: True, 120.0: False, 78.0: True, 82.0: False})
    answer = compose_answer(results)
    assert answer.title == "How much load can sync-http-shared sustain?"
    assert answer.question == (
        "An upstream that takes 200 ms: what rate does sync-http-shared sustain?"
    )
    (found,) = SustainedRate.find(results)
    assert found.message == (
        "sync-http-shared sustains 78.0 requests/s but not 82.0: all 500 threads in the pool are "
        "busy."
    )
    assert all(each.rule in ("small-pool", None) for each in answer.statements)


def test_latencies_below_the_capacity_are_of_shares_of_it() -> None:
    assert LatencyBelowCapacity.find(search({60.0: True})) == ()
    (found,) = LatencyBelowCapacity.find(search({39.0: True, 78.0: True, 82.0: False}))
    assert found.message.startswith("At 50 % of that rate, the median is ")


def test_a_step_that_says_nothing_of_the_service_explains_nothing() -> None:
    results = search({60.0: True, 82.0: False}, errors=("DESCRIPTORS", "OVERLOADED"))
    first, second = compose_answer(results).statements
    assert first.message == "sync-http-shared sustains 60.0 requests/s but not 82.0."
    assert second.message == (
        "sync-http-shared-at-82 is not compared: file descriptors ran out (DESCRIPTORS)."
    )


def test_who_keeps_up_with_failures_is_not_limited_by_what_arrives() -> None:
    results = search({60.0: True, 82.0: True}, failure_ratio=0.015)
    assert [each.message for each in SustainedRate.find(results)] == [
        "sync-http-shared sustains 60.0 requests/s but not 82.0."
    ]


def test_a_search_without_its_scenario_is_still_answered() -> None:
    known = search({60.0: True, 82.0: False})
    answer = compose_answer(replace(known, cases=(), searched=""))
    assert answer.question == "What rate does the service sustain?"
    assert answer.statements[0].message == "The service sustains 60.0 requests/s but not 82.0."


def test_latencies_of_an_overload_are_not_those_below_the_capacity() -> None:
    results = search({39.0: True, 78.0: True, 82.0: False})
    (share, cell) = results.share_cells[0]
    starved = (VerdictRecord("UNFINISHED", "warning"),)
    for bad in (
        replace(cell, open_loop=build_loop(39.0, False)),
        replace(cell, failure_ratio=0.5),
        replace(cell, verdicts=starved),
    ):
        assert LatencyBelowCapacity.find(replace(results, share_cells=((share, bad),))) == ()


def test_a_share_of_the_capacity_that_is_not_compared_is_not_cited() -> None:
    results = search({39.0: True, 78.0: True, 82.0: False})
    (share, cell) = results.share_cells[0]
    doubted = replace(cell, verdicts=(plant_error("TOO_SHORT"),))
    assert LatencyBelowCapacity.find(replace(results, share_cells=((share, doubted),))) == ()


def test_a_capacity_that_the_load_generator_did_not_reach_is_unknown() -> None:
    knee = Knee(None, None, 954.0)
    results = search({60.0: True}, errors=("GENERATOR_SATURATED",))
    bound = replace(get_scenario(BASE.name), load=replace(BASE.load, arrival_rate=954.0))
    case = MeasuredScenario(bound, (plant_cell(bound, 425.0, ("GENERATOR_SATURATED",)),))
    answer = compose_answer(replace(results, knee=knee, cases=(case,)))
    assert [each.message for each in answer.statements] == [
        "What sync-http-shared sustains is unknown: the load generator could not send 954 "
        "requests/s, the lowest rate tried.",
        "The service may sustain more: at 954 requests/s, the load generator may have been the "
        "limit (GENERATOR_SATURATED).",
    ]
    assert "--first-rate" in answer.changes[0].text
    assert UnknownCapacity.find(search({60.0: True, 82.0: False})) == ()


# --- several groups


def plant_group(*groups: str) -> Results:
    members = [each for each in CATALOGUE if each.group in groups]
    return plant_results(*(plant_case(each.name, 100.0) for each in members))


def test_groups_that_do_not_compare_have_a_question_each() -> None:
    answer = compose_answer(plant_group("fair", "rare"))
    assert answer.title == "2 questions: fair and rare"
    assert [line for line in answer.question.split("\n") if line.endswith(")")] == [
        "One shared client, enough threads: does def cost more? (fair)",
        "1 % of the requests block the event loop: which wait? (rare)",
    ]
    lines = render_answer_lines(answer)
    assert max(map(len, lines)) <= WIDTH
    assert "1 % of the requests block the event loop: which wait? (rare)" in lines
    assert compose_answer(plant_group("fair")).title.startswith("One shared client")


def test_parts_of_groups_that_do_not_compare_are_not_ranked() -> None:
    answer = compose_answer(plant_results(DEF, plant_case("rare-awaits", 100.0)))
    assert answer.title == "How much do these 2 scenarios serve?"
    assert "highest" not in answer.question


def test_groups_of_the_same_work_are_compared() -> None:
    assert compose_answer(plant_group("classic", "fair")).title == "def or async def?"


# --- exercises


def build_exercise(edited: bool = False, errors: tuple[str, ...] = ()) -> Results:
    record = ExerciseRecord(
        exercise=1, edited=edited, guess=200.0, title="Forty at a time",
        question="How many?", asked="ok_rps", asked_words="good answers a second",
    )  # fmt: skip
    cell = plant_cell(BASE, 79.8, errors, predicted=Prediction(ok_rps=80.0))
    return collect([cell], [BASE], replace(SETTINGS, exercise=record))


def test_an_exercise_compares_the_guess_with_what_was_measured() -> None:
    answer = compose_answer(build_exercise())
    assert answer.title == "Exercise 1: Forty at a time"
    assert answer.question == "How many?"
    assert answer.statements[0].message == (
        "Good answers a second: yours 200, theory 80.0, measured 79.8."
    )
    edited = compose_answer(build_exercise(edited=True))
    assert edited.title == "Exercise 1: Forty at a time, after the edit"
    assert ExerciseOutcome.find(build_exercise(errors=("MACHINE_BUSY",))) == ()


def test_a_wait_that_nobody_saw_the_end_of_is_a_bound_in_an_exercise_too() -> None:
    record = ExerciseRecord(
        exercise=2, edited=False, guess=3.0, title="", question="", asked="bystander.median_ms",
        asked_words="ms of a background request",
    )  # fmt: skip
    cell = plant_cell(BASE, 79.8, bystander=replace(SLOW_PING, unanswered=9))
    (found,) = ExerciseOutcome.find(collect([cell], [BASE], replace(SETTINGS, exercise=record)))
    assert "yours 3.0, measured at least 9,000" in found.message


# --- how it is shown


def test_the_terminal_has_it_in_its_width_and_markdown_escapes_it() -> None:
    answer = compose_answer(plant_results(FORTY, EACH, DEF, AWAITS, BLOCKED))
    lines = render_answer_lines(answer)
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "def or async def?"
    assert sum(each.startswith("- ") for each in lines) == 7
    text = render_answer_markdown(answer)
    assert text.startswith("# def or async def?\n\nAn upstream that takes 1 s, 500 users: ")
    assert lines[-1].startswith("The rules with their measurements: study guide --html")
    assert "(guidance, rule 2: docs/guidance.md#rule-one-blocks-all)" in text
    assert "(guidance, rules 2 and 10)" in " ".join(each.strip() for each in lines)
    assert export_answer(answer)["title"] == "def or async def?"
