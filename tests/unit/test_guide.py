"""The guidance: its sentences can fail, and they rest on existing runs."""

import json
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.guide.confidence import compute_interval, describe_confidence, describe_interval
from analysis.guide.page import build_guidance
from analysis.guide.recorded import (
    RecordedScenario,
    Records,
    archive_run,
    find_experiment,
    find_runs,
    keep_records,
    load_experiments,
    normalize_command,
)
from analysis.guide.relations import (
    MetricReference,
    Relation,
    judge_relation,
    render_relation_result,
)
from analysis.guide.rules import Rule, load_checked_rules, load_decision_table, load_rules
from analysis.stats.intervals import compute_median_interval
from analysis.summary.cell import compute_summary
from records.rundir import open_run
from scenarios.errors import CANNOT, NOT_AS_EXPECTED, UserError
from scenarios.model import Scenario
from stress.places import ROOT
from study.cli import main
from study.guide import (
    KEPT,
    PAGE,
    TRIALS,
    GuidanceCheck,
    load_records,
    name_experiment,
    select_rules,
)
from study.run import RunOptions
from tests.unit.samples import healthy, record, tables

CELL = replace(compute_summary(record(), tables(healthy())), verdicts=())
RELATION = Relation("A beats B", MetricReference("x/a"), MetricReference("x/b"), "because", low=2.0)
QUOTED = re.compile(r"\{\{ \w+\('([^']+)'")
rates = st.floats(0.001, 1e6)


def records(**rates_by_name: float | None) -> Records:
    found = Records()
    for name, rate in rates_by_name.items():
        scenario = replace(record().scenario, name=name)
        cell = replace(CELL, scenario=name, ok_rps=rate)
        found.cells[f"x/{name}"] = RecordedScenario("x", scenario, (cell,), "study run x", "folder")
    return found


@given(a=rates, b=rates)
def test_a_relation_holds_where_the_ratio_is_in_its_bounds(a: float, b: float) -> None:
    found = judge_relation(RELATION, records(a=a, b=b))
    assert found.ratio == a / b
    assert found.holds is (a / b >= 2.0)
    both = judge_relation(replace(RELATION, low=0.5, high=2.0), records(a=a, b=b))
    assert both.holds is (0.5 <= a / b <= 2.0)


def test_what_was_not_measured_neither_holds_nor_fails() -> None:
    for known in (records(a=1.0), records(b=1.0), records(a=None, b=1.0), records(a=0.0, b=0.0)):
        found = judge_relation(RELATION, known)
        assert found.holds is None
        assert render_relation_result(found) == "? A beats B: not measured"


def test_nothing_at_all_on_the_right_is_infinitely_less() -> None:
    found = judge_relation(RELATION, records(a=1.0, b=0.0))
    assert (found.ratio, found.holds) == (math.inf, True)
    assert judge_relation(replace(RELATION, high=5.0), records(a=1.0, b=0.0)).holds is False


def test_what_nobody_measured_does_not_pass_a_check() -> None:
    rule = Rule(1, "a-rule", "A claim", "measured", "do", (RELATION,))
    assert GuidanceCheck([rule], port=0).print_verdicts(records(a=3.0, b=1.0)) == 0
    assert GuidanceCheck([rule], port=0).print_verdicts(records(a=1.0)) == CANNOT
    assert GuidanceCheck([rule], port=0).print_verdicts(records(a=1.0, b=1.0)) == NOT_AS_EXPECTED


@pytest.mark.parametrize(
    ("unanswered", "allowed", "described", "holds"),
    [
        ("a", (2.0, math.inf), "ratio >4.00", True),
        ("a", (5.0, math.inf), "ratio >4.00", None),
        ("a", (2.0, 3.0), "ratio >4.00", False),
        ("a", (2.0, 8.0), "ratio >4.00", None),
        ("b", (2.0, math.inf), "ratio <4.00", None),
        ("b", (0.0, 8.0), "ratio <4.00", True),
        ("b", (5.0, math.inf), "ratio <4.00", False),
        ("ab", (2.0, math.inf), "ratio ~4.00", None),
        ("", (2.0, math.inf), "ratio 4.00", True),
    ],
)
def test_a_latency_of_unanswered_requests_is_a_bound(
    unanswered: str, allowed: tuple[float, float], described: str, holds: bool | None
) -> None:
    known = records(a=None, b=None)
    for name, latency_ms in (("a", 400.0), ("b", 100.0)):
        bystander = replace(
            CELL.bystander, median_ms=latency_ms, pings=9, unanswered=5 * (name in unanswered)
        )
        cell = replace(CELL, bystander=bystander)
        known.cells[f"x/{name}"] = replace(known.cells[f"x/{name}"], trials=(cell,))
    left, right = (MetricReference(f"x/{each}", "bystander.median_ms") for each in "ab")
    low, high = allowed
    asked = replace(RELATION, left=left, right=right, low=low, high=high)
    found = judge_relation(asked, known)
    assert describe_interval(asked, known) == f"none ({'a bound' if unanswered else '1 trial'})"
    assert (found.described, found.holds) == (described, holds)


def test_a_number_may_stand_on_the_right() -> None:
    assert judge_relation(replace(RELATION, right=3.0), records(a=9.0)).ratio == 3.0


def test_bounds_are_said_in_words() -> None:
    assert RELATION.allowed == "at least 2"
    assert replace(RELATION, low=0.5, high=1.5).allowed == "0.5 to 1.5"
    assert replace(RELATION, low=0.0, high=1.5).allowed == "at most 1.5"


def cells_of(command: str, monkeypatch: pytest.MonkeyPatch) -> list[Scenario]:
    """Cells of the run that a command would make."""
    taken = list[Scenario]()

    def take(scenarios: Sequence[Scenario], *_: RunOptions | None) -> int:
        taken.extend(scenarios)
        return 0

    monkeypatch.setattr("study.run.run_study", take)
    assert main(command.split()[1:]) == 0
    return taken


def test_every_figure_comes_from_a_cell_that_its_command_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {
        f"{each.name}/{cell.name}": None
        for each in load_experiments()
        for cell in cells_of(each.command, monkeypatch)
    }
    again = {
        f"{each.name}/{cell.name}": None
        for each in load_experiments()
        for cell in cells_of(each.quick, monkeypatch)
    }
    table = load_decision_table()
    templates = [each.measured for each in load_rules()]
    templates += [each.measured for each in table.thumb_rules]
    templates += [f"{row.why} {row.costs} {row.limits} {row.look_next}" for row in table.rows]
    for cell in QUOTED.findall(" ".join(templates)):
        assert cell in there, cell
    for rule in load_checked_rules():
        for relation in rule.relations:
            for cell in relation.cells:
                assert cell in there, f"{rule.name}: {cell}"
                assert cell in again, f"{rule.name}, --check: {cell}"


def repeat(found: Records, *factors: float) -> Records:
    """With a trial per factor in each cell."""
    for key, cell in found.cells.items():
        (one,) = cell.trials
        assert one.ok_rps is not None
        trials = tuple(replace(one, ok_rps=one.ok_rps * each) for each in factors)
        found.cells[key] = replace(cell, trials=trials)
    return found


def test_a_rule_says_how_many_trials_it_has_and_its_interval() -> None:
    single = describe_confidence([RELATION], records(a=3.0, b=1.0))
    assert single == "1 trial per scenario. A beats B: ratio 3.00 (at least 2 required)."
    five = repeat(records(a=3.0, b=1.0), 0.98, 0.99, 1.0, 1.01, 1.02)
    interval = compute_interval(RELATION, five)
    assert interval is not None
    assert 2.8 < interval.low < 3.0 < interval.high < 3.2
    assert interval.coverage >= 0.95
    assert describe_confidence([RELATION], five).startswith("5 trials per scenario. A beats B: ")
    number = compute_interval(replace(RELATION, right=3.0), five)
    assert number is not None
    assert [number.low, number.high] == pytest.approx([0.98, 1.02])


def test_every_rule_of_the_page_says_how_sure_it_is() -> None:
    text = PAGE.read_text()
    claims = len(load_rules()) + len(load_decision_table().thumb_rules)
    assert len(re.findall(r"\*How sure\*: \d+ trials? per scenario", text)) == claims


def test_the_versions_that_the_page_names_are_those_installed_and_measured() -> None:
    (line,) = re.findall(r"^(FastAPI .*) do this", PAGE.read_text(), re.MULTILINE)
    named = {name.lower(): version for name, version in re.findall(r"(\w+) ([\d.]+\d)", line)}
    assert list(named) == ["fastapi", "starlette", "anyio"]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert {f"{name}=={version}" for name, version in named.items()} <= set(pins)
    for run in find_runs([KEPT]):
        packages = json.loads(run.manifest_file.read_text())["environment"]["packages"]
        assert named.items() <= packages.items(), run.path


def test_every_rule_has_a_relation_with_a_reason_that_could_fail() -> None:
    assert len({rule.name for rule in load_rules()}) == len(load_rules())
    for rule in load_rules():
        assert rule.relations, rule.name
        for each in rule.relations:
            assert each.because
            assert each.low > 0 or math.isfinite(each.high), each.sentence


@pytest.mark.parametrize("typed", ["--out elsewhere", "--port=0 --trials 3", "--no-report --json"])
def test_a_run_is_known_by_what_it_measured(typed: str) -> None:
    for each in load_experiments():
        assert find_experiment(f"{each.command} {typed}") is each
        assert find_experiment(f"{each.quick} {typed}") is None  # other settings than the text's
        assert find_experiment(f"{each.command} --users 7") is None


def test_all_commands_are_different() -> None:
    words = [
        normalize_command(command)
        for each in load_experiments()
        for command in (each.command, each.quick)
    ]
    assert len(set(words)) == len(words)


def test_of_the_rules_some_can_be_chosen() -> None:
    assert select_rules([]) == [*load_checked_rules()]
    assert [rule.name for rule in select_rules(["health"])] == ["health"]
    with pytest.raises(UserError) as caught:
        select_rules(["wealth"])
    assert "there is no such rule" in str(caught.value)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Copies of the recorded runs, for edits."""
    shutil.copytree(KEPT, tmp_path / "runs")
    return tmp_path / "runs"


def spoil(folder: Path, scenario: str, figure: str, value: float) -> None:
    (path,) = [
        each
        for each in folder.glob("*/summary.json")
        if any(cell["scenario"] == scenario for cell in json.loads(each.read_text())["cells"])
    ]
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if cell["scenario"] == scenario:
            cell[figure] = value
    path.write_text(json.dumps(content))


def test_a_sentence_that_the_records_do_not_bear_out_is_not_written(
    copies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copies, "rare-blocks", "ok_rps", 990.0)
    page = tmp_path / "guidance.md"
    assert main(["guide", str(copies), "--out", str(page)]) == NOT_AS_EXPECTED
    printed = capsys.readouterr().err
    assert "✗ One request in a hundred that blocks" in printed
    assert not page.exists()


def test_what_was_not_measured_is_left_out_and_named(
    copies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in copies.glob("*run-rare*"):
        shutil.rmtree(each)
    for each in list(copies.iterdir()):
        if "rare-blocks" in (each / "manifest.json").read_text():
            shutil.rmtree(each)
    page = tmp_path / "guidance.md"
    assert main(["guide", str(copies), "--out", str(page)]) == 0
    assert "One request in a hundred is enough" in capsys.readouterr().out.replace("\n  ", " ")
    assert "left out above: the rule 'One request in a hundred is enough'" in page.read_text()


def test_the_same_experiment_twice_is_refused(copies: Path) -> None:
    first = next(iter(sorted(copies.iterdir())))
    shutil.copytree(first, copies / "again")
    with pytest.raises(UserError) as caught:
        load_records([copies])
    assert "leave one of them out" in str(caught.value)


def test_a_run_of_something_else_is_refused(copies: Path) -> None:
    path = next(iter(sorted(copies.iterdir()))) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": "study run ping"}))
    with pytest.raises(UserError) as caught:
        load_records([copies])
    assert "does not use a run of 'study run ping'" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check", "docs"], "leave the directories out"),
        (["--rule", "health"], "give --check too"),
        (["--check", "--rule", "x"], "there is no such rule"),
        (["tests"], "not a run directory, and it contains none"),
        (["--check", "--html", "x.html"], "leave out --list and --check"),
        (["--list", "--keep", "x"], "leave out --list and --check"),
        (["--list", "--check"], "leave the other options out"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["guide", *arguments]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_what_is_kept_of_a_run_makes_the_same_page(copies: Path, tmp_path: Path) -> None:
    for run in find_runs([copies]):
        archive_run(open_run(run.path), tmp_path / "kept")
    texts = [build_guidance(load_records([folder])).text for folder in (copies, tmp_path / "kept")]
    assert texts[0] == texts[1]


def test_what_is_kept_of_a_run_names_no_log_of_its_machine(copies: Path, tmp_path: Path) -> None:
    run = next(find_runs([copies]))
    path = run.path / "summary.json"
    said = "the server ended (exit code 1): no port"
    content = json.loads(path.read_text("utf-8"))
    content["cells"][0]["errors"] = [f"{said} (full log: {tmp_path}/server.log)"]
    path.write_text(json.dumps(content), "utf-8")
    archive_run(open_run(run.path), tmp_path / "kept")
    kept = (tmp_path / "kept" / run.path.name / "summary.json").read_text("utf-8")
    assert f'"errors":["{said}"]' in kept


def test_a_kept_run_replaces_that_of_the_same_experiment(copies: Path, tmp_path: Path) -> None:
    """A whole run in that folder stays, because nothing else has its measurements."""
    records, kept = load_records([copies]), tmp_path / "kept"
    keep_records(records, kept, name_experiment)
    first, second = (kept / each.path.name for each in records.runs[:2])
    old, whole = first.with_name("20250101T000000Z-old"), second.with_name("20250101T000000Z-whole")
    first.rename(old)
    second.rename(whole)
    (whole / "cells").mkdir()
    keep_records(records, kept, name_experiment)
    names = {each.path.name for each in records.runs}
    assert {each.name for each in kept.iterdir()} == {*names, whole.name}


@pytest.mark.parametrize("schema", [1, 2])
def test_runs_of_either_schema_make_the_same_page(schema: int, copies: Path) -> None:
    for path in copies.glob("*/summary.json"):
        content = json.loads(path.read_text())
        for cell in content["cells"] if schema == 1 else ():
            del cell["blocking_sites"]
            cell["blocked_by"] = []
        path.write_text(json.dumps(content | {"schema": schema}))
    assert build_guidance(load_records([copies])).text == PAGE.read_text()


def test_what_is_kept_where_it_is_stays(copies: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    before = {each: each.read_bytes() for each in copies.rglob("*.json")}
    assert main(["guide", str(copies), "--out", str(page), "--keep", str(copies)]) == 0
    assert before == {each: each.read_bytes() for each in copies.rglob("*.json")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", "[]"),
        ("summary.json", '{"schema": 1}'),
        ("summary.json", "{"),
        ("manifest.json", None),
    ],
)
def test_a_damaged_record_is_one_line(
    name: str, content: str | None, copies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(iter(sorted(copies.iterdir())))
    known = json.loads((folder / "manifest.json").read_text())
    damaged = json.dumps(known | {"scenarios": []}) if content is None else content
    (folder / name).write_text(damaged)
    assert main(["guide", str(copies), "--out", str(copies / "page.md")]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_the_commands_can_be_piped_to_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide", "--list"]) == 0
    lines = list(unfolded(capsys.readouterr().out))
    assert [find_experiment(line) for line in lines] == list(load_experiments())
    assert all(" --trials 5 " in line for line in lines)
    recorded, fewer = (compute_median_interval([1.0] * each) for each in (TRIALS, TRIALS - 1))
    assert recorded is not None
    assert fewer is not None
    assert (recorded.low, fewer.low) == (1.0, None)  # as few as have an interval


def unfolded(text: str) -> Iterator[str]:
    yield from text.replace("\\\n", " ").splitlines()


def test_every_kind_of_work_is_in_the_table() -> None:
    kinds = " ".join(row.work for row in load_decision_table().rows)
    for kind in ("async client", "only a blocking client", "disk", "database", "CPU", "nothing"):
        assert kind in kinds
