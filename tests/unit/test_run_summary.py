"""A run as a whole, and `study report` on the recorded run with another manifest: no server."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analysis.summary.cell import compute_summary
from analysis.summary.run import RunSettings, read_run_settings, sort_for_reading, summarize_run
from analysis.summary.thresholds import parse_thresholds
from scenarios.errors import UserError
from study.cli import main
from study.commands.measure import parse_expectations
from tests.unit.samples import record, tables

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"
CELL = compute_summary(record(), tables([(3.0, 4.0, None), (4.0, 5.0, None)]))
TWO_TRIALS = tuple(
    replace(CELL, scenario=scenario, trial=trial) for scenario in ("b", "a") for trial in (1, 2)
)


# --- what a manifest says


def test_what_was_asked_is_read_from_the_manifest() -> None:
    manifest = {
        "command": "study run",
        "trials": 5,
        "scenarios": [{"name": "b"}, {"name": "a"}],
        "expectations": ["b: failures == 0", "*: p99_ms < 1200.5"],
    }
    expected = parse_thresholds("b: failures == 0") + parse_thresholds("*: p99_ms < 1200.5")
    assert read_run_settings(manifest) == RunSettings("study run", ("b", "a"), 5, expected)


@pytest.mark.parametrize("manifest", [{}, {"scenarios": "none", "trials": "x", "command": 3}])
def test_a_manifest_that_says_less_asked_for_one_trial(manifest: dict[str, object]) -> None:
    assert read_run_settings(manifest) == RunSettings("", (), 1, ())


def test_a_scenario_that_is_no_longer_known_is_left_out_of_the_definitions() -> None:
    known = asdict(record().scenario)
    odd = known | {"name": "odd", "load": known["load"] | {"engine": "of the past"}}
    found = read_run_settings({"scenarios": [known, odd, {"name": "alone"}]})
    assert list(found.definitions) == [known["name"]]
    assert found.definitions[known["name"]] == record().scenario
    assert found.scenarios == (known["name"], "odd", "alone")


def test_a_manifest_with_an_expectation_that_nobody_can_read() -> None:
    with pytest.raises(UserError, match="expectation 'whatever'"):
        read_run_settings({"expectations": ["whatever"]})


# --- the order of reading


@pytest.mark.parametrize("seed", range(5))
def test_however_they_ran_they_are_read_in_the_same_order(seed: int) -> None:
    ran = Random(seed).sample(TWO_TRIALS, len(TWO_TRIALS))
    assert sort_for_reading(ran, ("b", "a")) == TWO_TRIALS


def test_what_nobody_asked_for_comes_last() -> None:
    stranger = replace(CELL, scenario="stranger")
    assert sort_for_reading((stranger, *TWO_TRIALS), ("b", "a")) == (*TWO_TRIALS, stranger)


def test_scenarios_and_outcomes_are_over_the_trials() -> None:
    summary = summarize_run(
        TWO_TRIALS, RunSettings("", ("b", "a"), 2, parse_thresholds("a: failures == 0"))
    )
    assert [(each.scenario, each.trials) for each in summary.scenarios] == [("b", 2), ("a", 2)]
    (outcome,) = summary.outcomes
    assert (outcome.scenario, outcome.trials, outcome.met) == ("a", 2, True)


# --- what is typed


def test_an_expectation_is_a_text_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_text('[fair]\np99_ms = "< 1200"\n')
    assert parse_expectations(["*: failures == 0", str(path)]) == parse_thresholds(
        "*: failures == 0"
    ) + parse_thresholds("fair: p99_ms < 1200")
    assert parse_expectations([]) == ()
    with pytest.raises(UserError, match="cannot read"):
        parse_expectations([str(tmp_path / "none.toml")])


# --- `study report`


def sample_with(folder: Path, **changes: object) -> Path:
    copy = folder / "run"
    shutil.copytree(SAMPLE, copy)
    manifest: dict[str, Any] = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | changes))
    return copy


@pytest.mark.parametrize(
    ("changes", "code", "line"),
    [
        ({}, 0, "✓ sync-http: failures 0 == 0"),
        ({"expectations": ["sync-http: ok_rps > 1000"]}, 1, "✗ sync-http: ok_rps "),
        ({"trials": 2}, 1, "✗ sync-http: failures == 0: only 1 of 2 trials were measured"),
    ],
)
def test_the_report_judges_as_the_run_did(
    changes: dict[str, object],
    code: int,
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = sample_with(tmp_path, **{"expectations": ["sync-http: failures == 0"], **changes})
    assert main(["report", str(run)]) == code
    said = capsys.readouterr().out
    assert line in said
    assert said.index("async-http-sync-shared\n") < said.index(line)  # below the notes
    (outcome,) = json.loads((run / "summary.json").read_text())["expectations"]
    assert outcome["met"] == (code == 0)
    assert f"- {line[:2]}sync-http: " in (run / "summary.md").read_text()


def test_the_report_follows_the_manifest_not_the_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((SAMPLE / "manifest.json").read_text())
    run = sample_with(tmp_path, scenarios=manifest["scenarios"][::-1])
    assert main(["report", str(run)]) == 0
    names = [each["name"] for each in manifest["scenarios"][::-1]]
    table = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table if line.startswith(tuple(names))] == names
    content = json.loads((run / "summary.json").read_text())
    assert [cell["scenario"] for cell in content["cells"]] == names
    assert [each["scenario"] for each in content["scenarios"]] == names
