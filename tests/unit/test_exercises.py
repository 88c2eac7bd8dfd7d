"""The workshop's exercises: their edits fit the app, their commands are right, and the output has
the guess, the prediction and the measurement."""

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
from scenarios.resolution import MachineResources, resolve_scenario
from stress.places import ROOT, SPECIMEN_VARIABLE
from study.cli import main
from study.estimates import estimate_run_s
from study.output import guard_output
from study.run import RunOptions
from study.workshop import ask_prediction
from study.workshop_edit import build_diff, check_edits, render_edit
from tests.unit.samples import healthy, record, tables

MACHINE = MachineResources(uvloop=True, httptools=True, go=True)
CELL = replace(
    compute_summary(record(), tables(healthy())),
    predicted=Prediction(500.0, 1000.0, 1000.0, 1002.0, None, "users", bystander_ms=3.0),
)
EXERCISES = load_exercises()
every = pytest.mark.parametrize("which", EXERCISES, ids=lambda each: f"exercise-{each.number}")


@every
@pytest.mark.parametrize("edited", [False, True])
def test_a_run_takes_less_than_a_minute_of_its_exercise(which: Exercise, edited: bool) -> None:
    """By the estimate that a run announces; the teacher's page plans a minute."""
    scenario = resolve_scenario(build_exercise_scenario(which, edited), MACHINE)
    assert estimate_run_s([scenario]) <= 45.0


@every
def test_what_to_look_at_is_a_part_of_the_report(which: Exercise) -> None:
    template = (ROOT / "analysis" / "report" / "templates" / "report.html").read_text()
    named = re.findall(r"\*([^*]+)\*", which.look)
    assert named != []
    assert set(named) <= set(re.findall(r"<h2>([^<]+)</h2>", template))


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
def test_the_edit_is_shown_with_its_lines_and_what_stands_around_them(which: Exercise) -> None:
    """The terminal shows the whole diff, which git can apply, and its place."""
    _, _, *diff = build_diff(which).splitlines()
    shown = render_edit(which).splitlines()
    assert [line for line in shown if line.startswith(f"{which.file}, lines ")] != []
    assert [line for line in shown if line[:1] in ("+", "-")] == [
        f"{line[0]} {line[1:]}".rstrip() for line in diff if line[0] in "+-"
    ]


@every
def test_the_edit_names_the_one_place_that_is_meant(which: Exercise) -> None:
    """The shown text of each place is at the lines that are named, and only there."""
    text = (ROOT / which.file).read_text()
    shown = f"{render_edit(which)}\n"
    _, *places = re.split(r"^.*, lines (\d+) to (\d+):\n", shown, flags=re.MULTILINE)
    assert len(places) == 3 * len(which.hunks)
    for first, last, place in zip(places[::3], places[1::3], places[2::3], strict=True):
        kept = [line[2:] for line in place.splitlines() if line[:1] != "+"]
        assert kept == text.splitlines()[int(first) - 1 : int(last)]
        assert text.count("\n".join(kept)) == 1


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
    assert (same == before) is (which.number == 5)  # there, only the CPU per request changes


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


def fail_to_start() -> str:
    pytest.fail("the app is started though its edit is the exercise's, or none")


def answer_well() -> None:
    """Python reports no error."""


def make(which: Exercise, project: Path) -> None:
    path = project / which.file
    text = path.read_text()
    for before, after in which.hunks:
        text = text.replace(before, after)
    path.write_text(text)


@every
def test_a_file_that_is_not_utf_8_is_one_line(which: Exercise, project: Path) -> None:
    path = project / which.file
    path.write_bytes(path.read_bytes() + "# für\n".encode("latin-1"))
    with pytest.raises(UserError, match="is not UTF-8: save it as UTF-8"):
        check_edits(which, False, fail_to_start)


def test_a_file_of_another_exercise_that_is_not_utf_8_is_one_line(project: Path) -> None:
    which = EXERCISES[1]
    other = next(each.file for each in EXERCISES if each.file != which.file)
    (project / other).write_bytes("# für\n".encode("latin-1"))
    with pytest.raises(UserError, match=f"{other} is not UTF-8"):
        check_edits(which, False, fail_to_start)


@every
def test_the_app_must_be_as_the_exercise_needs_it(which: Exercise, project: Path) -> None:
    check_edits(which, False, fail_to_start)
    with pytest.raises(UserError) as caught:
        check_edits(which, True, answer_well)
    assert f"{which.file} is not edited" in str(caught.value)
    make(which, project)
    check_edits(which, True, answer_well)
    with pytest.raises(UserError) as caught:
        check_edits(which, False, fail_to_start)
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
    check_edits(EXERCISES[4], True, fail_to_start)
    other = project / EXERCISES[1].file
    (before, _), *_ = EXERCISES[1].hunks
    instead = "async def async_http_sync() -> Response:\n"
    instead += "        return PlainTextResponse(await upstream.fetch_async())\n"
    other.write_text(other.read_text().replace(before.lstrip(), instead))
    check_edits(EXERCISES[1], True, fail_to_start)


def edit(which: Exercise, project: Path, before: str, after: str) -> None:
    path = project / which.file
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


@pytest.mark.usefixtures("project")
def test_what_is_not_edited_yet_is_shown_and_not_started(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UserError, match=r"app/endpoints.py is not edited yet"):
        check_edits(EXERCISES[1], True, fail_to_start)
    assert render_edit(EXERCISES[1]) in capsys.readouterr().err


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        (
            "PlainTextResponse(await run_sync(upstream.fetch))",
            "PlainTextResponse(await run_sync(upstream.fetch)",
            "SyntaxError: '(' was never closed",
        ),
        ('    @add("/sync/http")', '   @add("/sync/http")', "IndentationError: "),
        (
            "async def async_http_sync() -> Response:\n        return PlainTextResponse(up",
            "def async_http_sync() -> Response:\n        return PlainTextResponse(await up",
            "SyntaxError: 'await' outside async function",
        ),
    ],
)
def test_an_edit_that_is_no_python_gets_its_own_error(
    edited: bool,
    before: str,
    after: str,
    error: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    which = EXERCISES[1]
    edit(which, project, before, after)
    with pytest.raises(
        UserError, match=r"Python cannot read \S*app/endpoints.py: correct line"
    ) as one:
        check_edits(which, edited, fail_to_start)
    printed = capsys.readouterr().err
    assert error in printed
    (line,) = re.findall(r'^  File "\S*app/endpoints.py", line (\d+)$', printed, re.MULTILINE)
    assert f"correct line {line}," in str(one.value)


def test_an_edit_that_fails_gets_the_error_of_its_app(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    which = EXERCISES[1]
    edit(which, project, which.hunks[0][0], which.hunks[0][0].replace("upstream", "await upstream"))
    with pytest.raises(UserError, match="the app fails as shown above"):
        check_edits(which, True, lambda: "TypeError: object bytes can't be awaited")
    assert capsys.readouterr().err.endswith("\nTypeError: object bytes can't be awaited\n")


def test_another_edit_that_works_is_no_edit_of_the_exercise(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    which = EXERCISES[0]
    edit(which, project, *(each.replace("async_http", "sync_http") for each in which.hunks[0]))
    path = project / which.file
    path.write_text(path.read_text().replace("await upstream.fetch_async())", "b'quick')", 1))
    with pytest.raises(UserError, match="Your edit works") as caught:
        check_edits(which, True, answer_well)
    assert build_command(which) in str(caught.value)
    assert which.diffs[0] in capsys.readouterr().err


def test_an_edit_left_from_another_exercise_is_told_of(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(EXERCISES[0], project)
    check_edits(EXERCISES[2], False, fail_to_start)
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


def test_a_guess_that_is_not_utf_8_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n250\n"), "utf-8"))
    for name in ("sys.stdout", "sys.stderr"):
        monkeypatch.setattr(name, io.StringIO())
    guard_output()
    assert ask_prediction(EXERCISES[0]) == 250.0


@pytest.mark.parametrize("typed", ["", "a\nb\nc\n", "nan\ninf\n-1\n", "1e31\n" * 3])
def test_without_a_guess_it_says_how_to_go_on(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(UserError) as caught:
        ask_prediction(EXERCISES[0])
    assert "--no-prompt" in str(caught.value)


def test_markdown_is_not_shown_on_a_terminal() -> None:
    assert wrap_paragraph("*Look* at `this`") == "Look at this"
    assert wrap_paragraph("The [knee](glossary.md#knee) of a curve") == "The knee of a curve"
