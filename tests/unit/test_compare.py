import json
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics import list_metrics
from analysis.report.comparison_tables import (
    build_comparison_table,
    describe_change,
    export_comparison,
    write_comparison_answer,
)
from analysis.report.table import render_terminal
from analysis.stats.formats import short_ratio
from analysis.summary.cell import compute_summary
from analysis.summary.comparison import (
    Comparison,
    FigureComparison,
    compare_runs,
    list_differences,
)
from analysis.summary.model import CellSummary
from analysis.verdicts.base import VerdictRecord
from scenarios.catalogue import CATALOGUE
from scenarios.errors import UserError
from study.compare import compare_directories
from study.paths import format_path
from tests.unit.samples import record, tables

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"
MANIFEST: dict[str, Any] = json.loads((SAMPLE / "manifest.json").read_text())
AROUND = MANIFEST["environment"]
CORES = f"cores is {AROUND['cores']} in A, "
CELL = replace(compute_summary(record(), tables([(3.0, 4.0, None), (4.0, 5.0, None)])), verdicts=())
LONGEST_NAME = max((each.name for each in CATALOGUE), key=len) + "-aiohttp"


def trials(*rates: float, scenario: str = "sync-http") -> list[CellSummary]:
    return [
        replace(CELL, scenario=scenario, trial=n, ok_rps=rate)
        for n, rate in enumerate(rates, start=1)
    ]


def render_lines(found: Comparison) -> list[str]:
    return render_terminal(build_comparison_table(found), 80)


def figure(a: list[CellSummary], b: list[CellSummary], name: str = "ok_rps") -> FigureComparison:
    (scenario,) = compare_runs(a, b).scenarios
    return next(each for each in scenario.figures if each.figure == name)


def changed(**environment: object) -> dict[str, Any]:
    manifest = deepcopy(MANIFEST)
    manifest["environment"] |= environment
    return manifest


# --- what is unlike around the runs


def test_a_run_is_like_itself_and_the_code_may_differ() -> None:
    assert list_differences(MANIFEST, MANIFEST) == []
    assert list_differences(MANIFEST, changed(git_revision="other", git_changed=False)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cpu", "Other"),
        ("cores", 999),
        ("os", "Darwin"),
        ("python", "3.12.0"),
        ("implementation", "PyPy"),
        ("gil", False),
        ("go", None),
    ],
)
def test_each_of_the_environment_is_told_with_both_values(key: str, value: object) -> None:
    own = MANIFEST["environment"][key]
    shown = "none" if value is None else value
    assert list_differences(MANIFEST, changed(**{key: value})) == [
        f"{key} is {own} in A, {shown} in B"
    ]


def test_a_float_is_shown_as_it_was_typed() -> None:
    """104 ms, which 104 x 0.001 once changed."""
    manifests = [
        {"scenarios": [{"name": "x", "load": {"think_s": each}}]}
        for each in (0.10400000000000001, 0.2)
    ]
    assert list_differences(*manifests) == ["x load.think_s is 0.104 in A, 0.2 in B"]


@pytest.mark.parametrize(("factor", "found"), [(1.009, 0), (0.991, 0), (1.02, 1), (0.5, 1)])
def test_memory_may_differ_by_a_percent(factor: float, found: int) -> None:
    own = MANIFEST["environment"]["memory_mib"]
    assert len(list_differences(MANIFEST, changed(memory_mib=int(own * factor)))) == found


def test_a_package_is_named_with_both_versions() -> None:
    packages = MANIFEST["environment"]["packages"]
    other = {key: each for key, each in packages.items() if key != "uvloop"} | {"anyio": "3.6.1"}
    assert list_differences(MANIFEST, changed(packages=other)) == [
        f"anyio is {packages['anyio']} in A, 3.6.1 in B",
        f"uvloop is {packages['uvloop']} in A, none in B",
    ]


def test_what_a_scenario_runs_matters_and_what_it_says_does_not() -> None:
    other = deepcopy(MANIFEST)
    other["scenarios"][0]["server"]["pool"] = 100
    for words in ("question", "expect", "why", "group"):
        other["scenarios"][1][words] = "other words"
    del other["scenarios"][2]
    assert list_differences(MANIFEST, other) == ["sync-http server.pool is 40 in A, 100 in B"]


def test_a_client_on_one_side_only_is_a_difference() -> None:
    other = deepcopy(MANIFEST)
    other["scenarios"][0]["client"] = None
    assert "sync-http client.library is httpx in A, none in B" in list_differences(MANIFEST, other)


@pytest.mark.parametrize("manifest", [{}, {"environment": 3, "scenarios": "none"}])
def test_a_foreign_manifest_is_unlike_and_no_crash(manifest: dict[str, object]) -> None:
    assert f"{CORES}none in B" in list_differences(MANIFEST, manifest)


# --- what differs between their figures


def test_a_clear_difference_is_a_factor() -> None:
    found = figure(trials(40, 41, 42, 43, 44), trials(80, 82, 84, 86, 88))
    assert (found.a, found.b) == (42.0, 84.0)
    assert describe_change(found) == "B is 2.00 × A"
    assert found.ratio.low is not None
    assert found.ratio.low > 1


def test_overlap_is_no_difference_seen() -> None:
    found = figure(trials(40, 41, 42, 43, 44), trials(40.5, 41.5, 42.5, 39, 46))
    assert describe_change(found) == "no difference seen"
    assert found.ratio.low is not None
    assert found.ratio.high is not None
    assert found.ratio.low < 1 < found.ratio.high


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([0.0] * 5, [0.0] * 5, "both 0"),
        ([0.0], [0.0], "both 0"),
        ([0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], "B is higher"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5, "B is lower"),
        ([0.0] * 5, [0.0, 0.0, 0.0, 0.0, 5.0], "no difference seen"),
        ([0.0], [5.0], "too few trials to tell"),
        ([1.0, 2.0, 3.0], [7.0, 8.0, 9.0], "too few trials to tell"),
    ],
)
def test_zeros_and_few_trials(a: list[float], b: list[float], verdict: str) -> None:
    assert describe_change(figure(trials(*a), trials(*b))) == verdict


rates = st.lists(st.floats(0, 1e5), min_size=1, max_size=7)


@given(rates, rates)
def test_the_verdict_is_the_same_from_either_side(a: list[float], b: list[float]) -> None:
    there, back = figure(trials(*a), trials(*b)), figure(trials(*b), trials(*a))
    assert describe_change(there).startswith("B is") == describe_change(back).startswith("B is")
    if not describe_change(there).startswith("B is"):
        assert there.change == back.change


@given(rates)
def test_a_run_differs_not_from_itself(same: list[float]) -> None:
    assert not describe_change(figure(trials(*same), trials(*same))).startswith("B is")


def test_what_was_measured_on_one_side_only() -> None:
    unknown = [replace(cell, ok_rps=None) for cell in trials(1.0)]
    assert figure(trials(1.0), unknown).change == "not measured in B"
    assert figure(unknown, trials(1.0)).change == "not measured in A"
    (scenario,) = compare_runs(unknown, unknown).scenarios
    assert "ok_rps" not in [each.figure for each in scenario.figures]


def test_interrupted_trials_and_scenarios_of_one_run_only() -> None:
    a = [*trials(1.0, 2.0), *trials(1.0, scenario="only-a"), *trials(1.0, scenario="broken")]
    a[1] = replace(a[1], interrupted="SIGINT")
    a[3] = replace(a[3], interrupted="SIGINT")
    b = [*trials(5.0), *trials(1.0, scenario="broken")]
    found = compare_runs(a, b)
    assert [(each.scenario, each.trials_a) for each in found.scenarios] == [("sync-http", 1)]
    assert (found.only_a, found.only_b) == (("only-a",), ("broken",))
    text = "\n".join(render_lines(found))
    assert "only in A: only-a" in text
    assert "only in B: broken" in text


# --- how it is shown


def test_the_line_of_a_figure() -> None:
    """Of 5 v 5, U below 3 has 4 of 252 orders: the third of the 25 ratios from either end,
    82 / 44 and 88 / 41."""
    lines = render_lines(compare_runs(trials(40, 41, 42, 43, 44), trials(80, 82, 84, 86, 88)))
    assert lines[1] == "sync-http, 5 v 5 trials"
    assert lines[2].split() == [
        "ok_rps",
        "42.0",
        "84.0",
        "0.008",
        "B",
        "is",
        "2.00",
        "×",
        "A",
        "[1.86–2.15]",
    ]


@given(rates, rates)
def test_the_answer_names_what_is_shown_to_differ_and_nothing_else(
    a: list[float], b: list[float]
) -> None:
    found = compare_runs(trials(*a), trials(*b))
    (scenario,) = found.scenarios
    changed = {each.figure for each in scenario.figures if each.change in ("higher", "lower")}
    first, *others = write_comparison_answer(found)
    assert bool(changed) == (first == "B differs from A.") == bool(others)
    said = " ".join(others)
    assert {each.figure for each in scenario.figures if f"B's {each.figure} is " in said} == changed


@pytest.mark.parametrize(
    ("b", "said"),
    [
        ((80, 82, 84, 86, 88), "sync-http: B's ok_rps is 2.00 × A's"),
        ((40, 41, 42, 43, 44), "No figure shows a difference between A and B."),
        ((80, 82), "Too few trials to tell whether B differs from A."),
    ],
)
def test_the_answer_in_words(b: tuple[float, ...], said: str) -> None:
    found = compare_runs(trials(40, 41, 42, 43, 44)[: len(b)], trials(*b))
    assert write_comparison_answer(found)[-1].startswith(said)


def test_a_p_that_ties_make_approximate_is_marked() -> None:
    few, many = (1.0, 1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0, 5.0)
    text = "\n".join(render_lines(compare_runs(trials(*few), trials(*many))))
    assert "~" not in text  # every permutation of ten values is enumerated
    text = "\n".join(render_lines(compare_runs(trials(*few * 2), trials(*many * 2))))
    assert " ~0." in text
    assert "~p: approximate" in text


def test_too_few_trials_show_the_ratio_and_say_so_once() -> None:
    lines = render_lines(compare_runs(trials(1, 2, 3), trials(7, 8, 9)))
    assert lines[2].endswith("4.00, too few trials to tell")
    assert " ".join(" ".join(lines).split()).count("4 of each") == 1
    assert not any("exclude 1" in line for line in lines)


def test_latencies_that_lack_starved_requests_are_not_shown_without_that() -> None:
    starved = [
        replace(cell, verdicts=(VerdictRecord("UNFINISHED", "warning"),)) for cell in trials(1, 2)
    ]
    text = " ".join(" ".join(render_lines(compare_runs(starved, trials(1, 2)))).split())
    assert "users starved in 2 of 2 trials of A and 0 of 2 of B" in text


def test_what_makes_a_side_doubtful_is_named() -> None:
    """Another program, not B's code, made it slower."""
    busy = [replace(cell, verdicts=(VerdictRecord("MACHINE_BUSY", "error"),)) for cell in trials(1)]
    found = compare_runs(trials(1, 2), [*busy, *trials(2)])
    text = " ".join(" ".join(render_lines(found)).split())
    assert "MACHINE_BUSY makes these figures doubtful: sync-http in B (1 of 2 trials)" in text
    (scenario,) = found.scenarios
    assert (scenario.errors_a, scenario.errors_b) == ({}, {"MACHINE_BUSY": 1})


@given(
    st.lists(st.floats(0.01, 1e4), min_size=1, max_size=6),
    st.floats(0.001, 99_999),
    st.floats(1, 999_999),
)
def test_it_is_never_wider_than_a_terminal(spread: list[float], rps: float, ms: float) -> None:
    a = [replace(cell, p99_ms=ms, median_ms=ms) for cell in trials(*[rps] * 6)]
    b = trials(*(min(rps * each, 99_999.9) for each in spread))
    named = [[replace(cell, scenario=LONGEST_NAME) for cell in run] for run in (a, b)]
    assert all(len(line) <= 80 for line in render_lines(compare_runs(*named)))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.0, "1.000"), (1.0021, "1.002"), (1.118, "1.12"), (0.5, "0.500"), (0.00077, "0.00077"),
     (12.34, "12.3"), (99.96, "100"), (12_345.0, "12,345")],
)  # fmt: skip
def test_ratios_have_the_digits_that_tell(ratio: float, text: str) -> None:
    assert short_ratio(ratio) == text


def test_json_holds_every_figure() -> None:
    content = json.loads(
        json.dumps(export_comparison(compare_runs(trials(1.0), trials(2.0))), allow_nan=False)
    )
    (scenario,) = content["scenarios"]
    assert {each["figure"] for each in scenario["figures"]} <= {
        each.key for each in list_metrics("compare")
    }
    assert scenario["figures"][0]["ratio"]["ratio"] == 2.0


# --- two run directories


def like_sample(folder: Path, **environment: object) -> Path:
    copy = folder / "b"
    shutil.copytree(SAMPLE, copy)
    (copy / "manifest.json").write_text(json.dumps(changed(**environment)))
    return copy


def test_runs_that_differ_in_code_alone_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = like_sample(tmp_path, git_revision="f" * 40, git_changed=False)
    assert compare_directories(SAMPLE, other, anyway=False, json_output=False) == 0
    said = capsys.readouterr().out
    head_a, code_a, head_b, code_b, *rest = said.splitlines()
    assert head_a == f"A  {format_path(SAMPLE)}"
    assert code_a.startswith(f"   code {AROUND['git_revision'][:10]}")
    assert (head_b, code_b) == (f"B  {other}", "   code ffffffffff")
    assert rest[-1] == "Too few trials to tell whether B differs from A."
    assert "async-http-shared, 1 v 1 trials" in rest


def test_unlike_runs_are_refused_with_the_first_three_differences(tmp_path: Path) -> None:
    other = like_sample(tmp_path, cpu="Other", cores=999, python="9.9.9", gil="?", go="?")
    with pytest.raises(UserError) as problem:
        compare_directories(SAMPLE, other, anyway=False, json_output=False)
    said = str(problem.value)
    assert f"cpu is {AROUND['cpu']} in A, Other in B; {CORES}999 in B; python is" in said
    assert "; and 2 more;" in said
    assert "gil" not in said
    assert "--anyway" in said


def test_anyway_warns_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = like_sample(tmp_path, cores=999)
    assert compare_directories(SAMPLE, other, anyway=True, json_output=False) == 0
    first = capsys.readouterr().out.partition("\nA  ")[0].replace("\n  ", " ")
    assert first.startswith("Warning: ")
    assert f"{CORES}999 in B" in first


def test_json_output_is_json_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = like_sample(tmp_path, cores=999)
    assert compare_directories(SAMPLE, other, anyway=True, json_output=True) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["differences"] == [f"{CORES}999 in B"]
    assert content["a"]["git_revision"] == AROUND["git_revision"]
    assert len(content["scenarios"]) == len(MANIFEST["scenarios"])


def test_runs_without_a_common_scenario_are_refused(tmp_path: Path) -> None:
    other = like_sample(tmp_path)
    for cell in ("async-http-shared.1", "async-http-sync-shared.1"):
        shutil.rmtree(other / "cells" / cell)
    rest = tmp_path / "rest"
    shutil.copytree(SAMPLE, rest)
    shutil.rmtree(rest / "cells" / "sync-http.1")
    with pytest.raises(UserError, match="no scenario in common: A has sync-http; B has async"):
        compare_directories(other, rest, anyway=False, json_output=False)


def test_a_run_without_a_cell_is_refused(tmp_path: Path) -> None:
    other = like_sample(tmp_path)
    shutil.rmtree(other / "cells")
    with pytest.raises(UserError, match="cells is missing"):
        compare_directories(SAMPLE, other, anyway=False, json_output=False)
    (other / "cells").mkdir()
    with pytest.raises(UserError, match="nothing to compare"):
        compare_directories(SAMPLE, other, anyway=False, json_output=False)
    with pytest.raises(UserError, match="not a run directory"):
        compare_directories(tmp_path / "none", SAMPLE, anyway=False, json_output=False)
