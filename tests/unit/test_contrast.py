"""Side by side: ratios against the first, in both directions, and the table of 80 columns."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.comparison_tables import (
    build_contrast_tables,
    build_overall_table,
    export_contrasts,
)
from analysis.report.table import render_terminal
from analysis.report.write import render_contrasts
from analysis.summary.cell import compute_summary
from analysis.summary.contrast import (
    CATEGORIES,
    Contrast,
    Entrant,
    classify_ratio,
    compute_contrasts,
    compute_geometric_mean,
    compute_overall,
)
from analysis.summary.model import CellSummary
from analysis.verdicts.base import VerdictRecord
from scenarios.catalogue import CATALOGUE
from scenarios.catalogue.contrast import (
    EIGHT,
    OURS,
    choose_contrast_scenarios,
    parse_endpoint,
    parse_target,
)
from scenarios.catalogue.contrast import SCENARIOS as CONTRAST
from scenarios.errors import UserError
from tests.unit.samples import healthy, record, tables

CELL = replace(compute_summary(record(), tables(healthy())), verdicts=())
rates = st.floats(1.0, 100_000.0)


def render_lines(found: Sequence[Contrast]) -> list[str]:
    tables = [one for each in found for one in build_contrast_tables(each, narrow=True)]
    if overall := compute_overall(found):
        tables.append(build_overall_table(overall, f"over all {overall[0].subjects}"))
    return [line for each in tables for line in render_terminal(each, 80)]


def cells(scenario: str, *rps: float, p99_ms: float = 10.0) -> list[CellSummary]:
    return [
        replace(CELL, scenario=scenario, trial=n, ok_rps=rate, p99_ms=p99_ms, mean_ms=1000 / rate)
        for n, rate in enumerate(rps, start=1)
    ]


def entrants(*names: str, subject: str = "GET /") -> list[Entrant]:
    return [Entrant(subject, name, f"{subject} {name}") for name in names]


def of_rates(**rps: tuple[float, ...]) -> tuple[Contrast, ...]:
    found = [cell for name, those in rps.items() for cell in cells(f"GET / {name}", *those)]
    return compute_contrasts(found, entrants(*rps))


@given(a=rates, b=rates)
def test_turned_round_a_ratio_is_its_inverse(a: float, b: float) -> None:
    (there,) = of_rates(first=(a,), second=(b,))
    (back,) = of_rates(second=(b,), first=(a,))
    one, other = there.results[1].ratios["ok_rps"].ratio, back.results[1].ratios["ok_rps"].ratio
    assert one is not None
    assert other is not None
    assert one * other == pytest.approx(1.0)


def test_more_than_one_is_better_for_throughput_and_for_latency() -> None:
    slow, quick = cells("GET / a", 100.0, p99_ms=40.0), cells("GET / b", 400.0, p99_ms=10.0)
    (found,) = compute_contrasts(slow + quick, entrants("a", "b"))
    assert found.base.contender == "a"
    assert found.base.ratios == {}
    ratios = found.results[1].ratios
    assert (ratios["ok_rps"].ratio, ratios["p99_ms"].ratio) == (4.0, 4.0)
    assert found.results[1].category == "more than twice"


def test_five_trials_make_an_interval_and_three_do_not() -> None:
    five, faster = (100.0, 101.0, 99.0, 102.0, 98.0), (300.0, 303.0, 297.0, 306.0, 294.0)
    (found,) = of_rates(a=five, b=faster)
    ratio = found.results[1].ratios["ok_rps"]
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= 3.0 <= ratio.high
    (few,) = of_rates(a=five[:3], b=faster[:3])
    assert few.results[1].ratios["ok_rps"].low is None
    assert any("no intervals: 3 and 3 trials" in line for line in render_lines([few]))


def test_no_difference_is_said_to_be_none() -> None:
    (found,) = of_rates(a=(100.0, 110.0, 90.0, 105.0, 95.0), b=(101.0, 109.0, 91.0, 104.0, 96.0))
    lines = " ".join(render_lines([found]))
    assert "no difference in rps from a is shown for b" in lines


def test_an_error_of_a_trial_stands_below_its_ratios() -> None:
    doubtful = [
        replace(each, verdicts=(VerdictRecord("GENERATOR_SATURATED", "error"),))
        for each in cells("GET / b", 5.0)
    ]
    (found,) = compute_contrasts(cells("GET / a", 5.0) + doubtful, entrants("a", "b"))
    assert "GENERATOR_SATURATED makes these figures doubtful: b" in render_lines([found])


def test_who_did_not_run_or_stands_alone_is_not_compared() -> None:
    assert compute_contrasts(cells("GET / a", 5.0), entrants("a", "b")) == ()
    assert compute_contrasts(cells("x", 5.0), [Entrant("", "", "x")]) == ()
    assert render_contrasts(()) == ""


@given(st.floats(0.001, 1000.0))
def test_every_ratio_has_a_category_and_its_inverse_the_opposite_one(ratio: float) -> None:
    words = [each for _, each in CATEGORIES]
    bounds = [bound for bound, _ in CATEGORIES]
    if any(math.isclose(ratio, b) or math.isclose(1 / ratio, b) for b in bounds if b):
        return  # at a bound, rounding makes the two directions differ
    there, back = classify_ratio(ratio), classify_ratio(1 / ratio)
    assert there is not None
    assert back is not None
    assert words.index(there) + words.index(back) == len(words) - 1


@given(st.lists(st.tuples(rates, rates), min_size=2, max_size=8))
def test_overall_does_not_depend_on_the_base(pairs: list[tuple[float, float]]) -> None:
    """With arithmetic means, each side could be "faster on average" than the other."""
    found = [
        cell
        for n, (a, b) in enumerate(pairs)
        for name, rate in (("a", a), ("b", b))
        for cell in cells(f"s{n} {name}", rate)
    ]
    there = compute_overall(
        compute_contrasts(found, [e for n in range(len(pairs)) for e in named(n, "ab")])
    )
    back = compute_overall(
        compute_contrasts(found, [e for n in range(len(pairs)) for e in named(n, "ba")])
    )
    assert [each.contender for each in there] == ["a", "b"]
    one, other = there[1].throughput_ratio, back[1].throughput_ratio
    assert one is not None
    assert other is not None
    assert one * other == pytest.approx(1.0)
    assert there[0].throughput_ratio == 1.0
    assert sum(each.wins for each in there) == len(pairs)


def test_who_served_nothing_wins_nothing() -> None:
    served = [cell for n in (0, 1) for name in "ab" for cell in cells(f"s{n} {name}", 1.0)]
    found = [replace(cell, ok_rps=0.0) for cell in served]
    overall = compute_overall(compute_contrasts(found, [*named(0, "ab"), *named(1, "ab")]))
    assert [each.wins for each in overall] == [0, 0]


def named(number: int, names: str) -> list[Entrant]:
    return [Entrant(f"s{number}", name, f"s{number} {name}") for name in names]


def test_a_geometric_mean_needs_all_its_ratios() -> None:
    assert compute_geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert compute_geometric_mean([2.0, None]) is None
    assert compute_geometric_mean([]) is None


def test_the_tables_fit_and_the_json_is_json() -> None:
    names = [f"contender-with-long-name-{n}" for n in range(4)]
    found = tuple(
        each
        for subject in ("GET /", "POST /a/very/long/path/" + "x" * 90)
        for each in compute_contrasts(
            [c for n in names for c in cells(f"{subject} {n}", *[123_456.7] * 5, p99_ms=99_999.0)],
            entrants(*names, subject=subject),
        )
    )
    lines = render_lines(found)
    assert max(map(len, lines)) <= 80
    assert any("over all 2" in line for line in lines)
    content = json.loads(json.dumps(export_contrasts(found), allow_nan=False))
    assert [each["subject"] for each in content["contrasts"]] == [each.subject for each in found]
    assert {each["contender"] for each in content["overall"]} == set(names)
    assert render_contrasts(found).count("| contender-with-long-name-3 |") == 5


# --- what the user may ask for


def test_the_eight_endpoints_stand_on_four_servers_each() -> None:
    assert len(CONTRAST) == len(EIGHT) * len(OURS) + 1  # and the CPU scenario in other processes
    subjects = {each.subject for each in CONTRAST}
    assert subjects == {
        "GET /", "GET /health", "POST /echo", "GET /echo/test", "GET /db/items", "POST /db/items",
        "GET /stress/cpu/1000", "GET /stress/memory/1",
    }  # fmt: skip
    assert {(each.load.users, each.load.requests) for each in CONTRAST} == {(50, None)}


def test_subjects_and_contenders_are_unique_together() -> None:
    named_scenarios = [(each.subject, each.contender) for each in CATALOGUE if each.subject]
    assert len(set(named_scenarios)) == len(named_scenarios)


def test_a_target_has_a_name_and_a_plain_address() -> None:
    target = parse_target("mine=http://127.0.0.1:8000/api/")
    assert (target.name, target.url, target.base) == ("mine", "http://127.0.0.1:8000", "/api")
    (scenario, _) = choose_contrast_scenarios(["mine=http://h:1", "b=http://h:2"], ["GET /x?y=1"])
    assert (scenario.endpoint.path, scenario.url, scenario.server.kind) == (
        "/x?y=1", "http://h:1", "given",
    )  # fmt: skip
    assert scenario.database is None
    assert scenario.bystander.path == "/"  # its name is the path that it requests


@pytest.mark.parametrize(
    "text",
    ["", "http://x", "a=", "a=ftp://x", "a=https://x:1", "a=http://", "a=http://x:99999",
     "a b=http://x", "a=http://u:p@x", "a=http://x?y", "far-too-long-name=http://x:1"],
)  # fmt: skip
def test_another_target_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="--target") as caught:
        parse_target(text)
    assert "\n" not in str(caught.value)


def test_an_endpoint_is_a_method_a_path_and_maybe_a_body() -> None:
    asked = parse_endpoint('POST /a/b {"x": [1, 2]}')
    assert (asked.method, asked.path, asked.body) == ("POST", "/a/b", '{"x": [1, 2]}')
    assert parse_endpoint("GET /").body is None


@pytest.mark.parametrize("text", ["", "/x", "PUT /x", "GET x", "get /x", "POST /x {", "GET"])
def test_another_endpoint_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="--endpoint"):
        parse_endpoint(text)


def test_twice_the_same_is_refused_and_alike_names_are_told_apart() -> None:
    with pytest.raises(UserError, match="--target: a is given twice"):
        choose_contrast_scenarios(["a=http://x:1", "a=http://x:2"], [])
    with pytest.raises(UserError, match="--endpoint: GET /x is given twice"):
        choose_contrast_scenarios([], ["GET /x", "GET /x"])
    names = [
        each.name for each in choose_contrast_scenarios(["a=http://x:1"], ["GET /x/y", "GET /x-y"])
    ]
    assert len(set(names)) == 2
