"""The workshop's exercises: their edits fit the app, their commands are what they say, and what is
shown is what was guessed, predicted and measured."""

import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.guide.exercises import (
    Exercise,
    build_exercise_scenario,
    find_exercise,
    load_exercises,
)
from analysis.guide.workshop_page import (
    build_command,
    compare_exercise,
    render_bars,
    render_exercise_table,
    wrap_paragraph,
)
from analysis.summary.cell import compute_summary
from records.prediction import Prediction
from scenarios.errors import UserError
from scenarios.model import Scenario
from stress.places import ROOT, SPECIMEN_VARIABLE
from study.cli import main
from study.run import RunOptions
from study.workshop import ask_prediction, build_diff, check_edits, describe_edit
from tests.unit.samples import healthy, record, tables

CELL = replace(
    compute_summary(record(), tables(healthy())),
    predicted=Prediction(500.0, 1000.0, 1000.0, 1002.0, None, "users", bystander_ms=3.0),
)
EXERCISES = load_exercises()
every = pytest.mark.parametrize("which", EXERCISES, ids=lambda each: f"exercise-{each.number}")


def test_an_hour_is_an_hour() -> None:
    assert [each.number for each in EXERCISES] == [1, 2, 3, 4, 5, 6]
    assert sum(each.minutes for each in EXERCISES) == 60


@every
def test_the_edit_fits_the_app_and_git_can_apply_it(which: Exercise, tmp_path: Path) -> None:
    copy = tmp_path / which.file
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / which.file).read_text())
    (tmp_path / "edit.diff").write_text(build_diff(which))
    subprocess.run(["git", "apply", "edit.diff"], cwd=tmp_path, check=True)
    assert all(after in copy.read_text() for _, after in which.hunks)
    compile(copy.read_text(), which.file, "exec")


@every
def test_what_is_shown_of_the_edit_is_all_of_it(which: Exercise) -> None:
    in_diff = [
        line
        for line in build_diff(which).splitlines()
        if re.match(r"[+-](?![+-])", line)  # not the files' names
    ]
    shown = [line[0] + line[2:] for line in describe_edit(which).splitlines()]
    for line in in_diff:
        assert any(line.startswith(each[:1]) and each[1:] in line for each in shown), line


@every
def test_the_command_that_it_names_runs_the_same(
    which: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = list[Scenario]()

    def take(scenarios: Sequence[Scenario], _: RunOptions, __: object) -> int:
        taken.extend(scenarios)
        return 0

    monkeypatch.setattr("study.run.run_study", take)
    assert main(build_command(which).split()[1:]) == 0
    assert taken == [build_exercise_scenario(which, edited=False)]


@every
def test_theory_is_told_of_the_edit(which: Exercise) -> None:
    before, after = build_exercise_scenario(which, False), build_exercise_scenario(which, True)
    assert before.name != after.name
    same = replace(after, name=before.name, subject=before.subject, contender=before.contender)
    assert (same == before) is (which.number == 5)  # there only the CPU of a request changes


def test_a_number_that_is_no_exercise_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        find_exercise(7)
    assert "there are 6" in str(caught.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the app, to be edited."""
    shutil.copytree(ROOT / "app", tmp_path / "app")
    monkeypatch.setenv(SPECIMEN_VARIABLE, str(tmp_path))
    return tmp_path


def make(which: Exercise, project: Path) -> None:
    path = project / which.file
    text = path.read_text()
    for before, after in which.hunks:
        text = text.replace(before, after)
    path.write_text(text)


@every
def test_the_app_must_be_as_the_exercise_needs_it(which: Exercise, project: Path) -> None:
    check_edits(which, edited=False)
    with pytest.raises(UserError) as caught:
        check_edits(which, edited=True)
    assert f"{which.file} is not edited" in str(caught.value)
    make(which, project)
    check_edits(which, edited=True)
    with pytest.raises(UserError) as caught:
        check_edits(which, edited=False)
    assert "git restore app" in str(caught.value)


def test_an_edit_may_be_broken_into_lines_or_be_another_that_does(project: Path) -> None:
    exercise = EXERCISES[4]
    make(exercise, project)
    path = project / exercise.file
    wrapped = path.read_text().replace(
        "httpx2.AsyncClient(timeout=limits.timeout_s, limits=most, verify=CONTEXT)",
        "httpx2.AsyncClient(\n        timeout=limits.timeout_s,\n        limits=most,\n"
        "        verify=CONTEXT,\n    )",
    )
    assert wrapped != path.read_text()
    path.write_text(wrapped)
    check_edits(EXERCISES[4], edited=True)
    other = project / EXERCISES[1].file
    (before, _), *_ = EXERCISES[1].hunks
    instead = "async def async_http_sync() -> Response:\n"
    instead += "        return PlainTextResponse(await upstream.fetch_async())\n"
    other.write_text(other.read_text().replace(before.lstrip(), instead))
    check_edits(EXERCISES[1], edited=True)


def test_an_edit_left_from_another_exercise_is_told_of(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(EXERCISES[0], project)
    check_edits(EXERCISES[2], edited=False)
    assert "still has the edit of exercise 1" in capsys.readouterr().err


def test_prediction_theory_and_measurement_stand_side_by_side() -> None:
    first, second, third = compare_exercise(EXERCISES[1], CELL, 250.0)
    assert first.values == (250.0, 500.0, CELL.ok_rps)
    assert second.values[0] is None
    assert third.values[1:] == (3.0, CELL.bystander.median_ms)
    lines = render_exercise_table([first, second, third])
    assert lines[0].split() == ["yours", "theory", "measured"]
    assert max(map(len, lines)) <= 80


def test_a_bar_is_as_long_as_its_figure() -> None:
    (first, *_) = compare_exercise(EXERCISES[0], CELL, 250.0)
    _, yours, theory, measured = render_bars(first)
    assert theory.count("█") == 2 * yours.count("█") == 50
    assert measured.split()[1] == "▏"  # 4 of 500: less than half of a cell of 50
    assert [line.split()[-1] for line in (yours, theory)] == ["250", "500"]


def test_without_a_guess_there_is_no_bar_of_one() -> None:
    (first, *_) = compare_exercise(EXERCISES[0], CELL, None)
    assert [line.split()[0] for line in render_bars(first)[1:]] == ["theory", "measured"]


def test_a_guess_is_asked_for_until_it_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("many\n-3\n1,200\n"))
    assert ask_prediction(EXERCISES[0]) == 1200.0


@pytest.mark.parametrize("typed", ["", "a\nb\nc\n", "nan\ninf\n-1\n"])
def test_without_a_guess_it_says_how_to_go_on(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(UserError) as caught:
        ask_prediction(EXERCISES[0])
    assert "--no-prompt" in str(caught.value)


def test_markdown_is_not_shown_on_a_terminal() -> None:
    assert wrap_paragraph("*Look* at `this`") == "Look at this"
