"""Trials, thresholds and comparison on the command line, with cells of one second."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process.support import cells, only_run, study

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]
TINY = (
    "--no-report",
    "--users",
    "10",
    "--delay",
    "50ms",
    "--duration",
    "1s",
    "--spawn-rate",
    "100",
)
IMPOSSIBLE = ("--expect", "*: ok_rps > 1e6")
REPORTS = ("summary.json", "summary.csv", "summary.md")


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run: its only run directory, and its output."""

    out: Path
    code: int
    stdout: str
    stderr: str

    @property
    def run(self) -> Path:
        return only_run(self.out)


def tiny_run(out: Path, *arguments: str) -> Done:
    done = study("run", *arguments, *TINY, "--port", "0", "--out", str(out))
    return Done(out, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Two trials of two scenarios, and thresholds that every machine meets."""
    folder = tmp_path_factory.mktemp("two")
    file = folder / "thresholds.toml"
    file.write_text('[sync-sleep]\nok_median_ms = ["> 40", "< 5000"]\n')
    return tiny_run(
        folder / "out", "async-sleep", "sync-sleep", "--trials", "2", "--seed", "7",
        "--expect", "control: failures == 0, unfinished == 0", "--expect", str(file),
    )  # fmt: skip


@pytest.fixture(scope="module")
def like(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Repeat one of them, with a threshold that no machine meets."""
    out = tmp_path_factory.mktemp("like")
    return tiny_run(out, "async-sleep", *IMPOSSIBLE, "--json")


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> Done:
    out = tmp_path_factory.mktemp("unlike")
    return tiny_run(out, "async-sleep", "--pool", "7", *IMPOSSIBLE)


def test_the_order_is_recorded_and_is_the_one_that_ran(two: Done) -> None:
    manifest = json.loads((two.run / "manifest.json").read_text())
    assert manifest["seed"] == 7
    records = [json.loads(path.read_text()) for path in (two.run / "cells").glob("*/cell.json")]
    records.sort(key=lambda record: record["started_utc"])
    ran = [[record["scenario"]["name"], record["trial"]] for record in records]
    assert manifest["order"] == ran
    assert sorted(ran) == [[name, n] for name in ("async-sleep", "sync-sleep") for n in (1, 2)]


def test_the_reports_are_in_the_order_of_the_catalogue(two: Done) -> None:
    reported = [(cell["scenario"], cell["trial"]) for cell in cells(two.out)]
    assert reported == [(name, n) for name in ("sync-sleep", "async-sleep") for n in (1, 2)]


def test_under_five_trials_there_is_no_interval_and_a_reason(two: Done) -> None:
    assert "sync-sleep, 2 trials" in two.stdout
    said = " ".join(two.stdout.split())
    assert "2 trials: even their whole range covers the median in only 50.0 % of cases" in said
    for scenario in json.loads((two.run / "summary.json").read_text())["scenarios"]:
        assert scenario["figures"]["ok_rps"]["low"] is None
        assert "5 are needed" in scenario["figures"]["ok_rps"]["why_none"]
    assert "| async-sleep | 2 | " in (two.run / "summary.md").read_text()


def test_a_kept_threshold_is_exit_code_0(two: Done) -> None:
    assert two.code == 0, two.stdout + two.stderr
    assert two.stdout.count("✓") == 6  # two metrics of two scenarios, and two of one in the file
    assert "✗" not in two.stdout
    assert "✓ sync-sleep: failures 0 == 0 (worst of 2 trials: trial " in two.stdout


def test_a_missed_threshold_is_exit_code_1(unlike: Done) -> None:
    assert unlike.code == 1, unlike.stdout + unlike.stderr
    assert "✗ async-sleep: ok_rps " in unlike.stdout


def test_json_stays_json_and_the_outcome_goes_to_stderr(like: Done) -> None:
    assert like.code == 1
    (outcome,) = json.loads(like.stdout)["expectations"]
    assert outcome["met"] is False
    assert outcome["expectation"]["bound"] == 1e6
    assert "✗ async-sleep: ok_rps " in like.stderr


@pytest.mark.parametrize("name", ["two", "unlike"])
def test_the_report_says_and_ends_as_the_run_did(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    before: Done = request.getfixturevalue(name)
    again = tmp_path / "again"
    shutil.copytree(before.run, again)
    for report in REPORTS:
        (again / report).unlink()
    done = study("report", str(again))
    assert done.returncode == before.code
    for report in REPORTS:
        assert (again / report).read_bytes() == (before.run / report).read_bytes()
    drawn = done.stdout.replace("report.html, ", "")  # the run itself drew no report
    assert leave_out_rows(drawn) == leave_out_rows(before.stdout)
    assert drawn.startswith("median [low–high]" if name == "two" else "scenario ")


def leave_out_rows(text: str) -> list[str]:
    """The rows appeared during the run, and the report begins with the intervals; everything else
    is the same, except for the folder's name."""
    parts = text.rpartition("\n")[0].rpartition("\n")[0].split("\n\n")
    return [each for each in parts if not each.startswith("scenario ")]


def test_like_runs_are_compared(two: Done, like: Done) -> None:
    done = study("compare", str(two.run), str(like.run))
    assert done.returncode == 0, done.stderr
    assert "async-sleep, 2 v 1 trials" in done.stdout
    assert "too few trials to tell" in done.stdout
    assert "only in A: sync-sleep" in done.stdout


def test_unlike_scenarios_are_refused_unless_asked_for_anyway(like: Done, unlike: Done) -> None:
    both = (str(like.run), str(unlike.run))
    refused = study("compare", *both)
    assert refused.returncode == 2
    assert "async-sleep server.pool is 40 in A, 7 in B" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""
    anyway = study("compare", *both, "--anyway", "--json")
    assert anyway.returncode == 0, anyway.stderr
    content = json.loads(anyway.stdout)
    assert content["differences"] == ["async-sleep server.pool is 40 in A, 7 in B"]
    assert content["scenarios"][0]["scenario"] == "async-sleep"
