"""docs/workshop.md as written: every command is run and every edit is made in a copy of the app,
and the described result happens."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from analysis.guide.exercises import Exercise, load_exercises
from analysis.guide.recorded import Records, find_runs
from analysis.guide.relations import judge_relation
from analysis.guide.workshop_page import build_command, build_relation, name_exercise_run
from stress.places import SPECIMEN_VARIABLE
from tests.process.support import ROOT, run_here

pytestmark = pytest.mark.slow
TEXT = (ROOT / "docs" / "workshop.md").read_text()
TEACHER = (ROOT / "docs" / "workshop-teacher.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:study|git) [^`]+)`")
FORMS = ("study run", "study sweep", "study workshop --page")
"""Commands that a sentence only mentions."""
LONGEST_S = 90.0
"""Maximum seconds of an exercise, by the workshop's own plan."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The app in a repository of its own, so that edits and `git restore` work as written."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "as cloned")):
        subprocess.run((*git, *words), cwd=folder, check=True)
    # Twelve windows of 3 s instead of 5: three pings of the bystander are enough for a median, and
    # all else comes some hundred times in one.
    shortened = tuple(
        replace(each, overrides=replace(each.overrides, duration_s=3.0))
        for each in load_exercises()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SPECIMEN_VARIABLE, str(folder))
        patch.setattr("analysis.guide.exercises.load_exercises", lambda: shortened)
        yield folder


def run(folder: Path, line: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command line of the text, in the copy."""
    words = shlex.split(line)
    begun_s = monotonic()
    if words[0] == "study":
        done = run_here(words[1:], folder, typed)
    else:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert monotonic() - begun_s < LONGEST_S, line
    return done


def blocks(which: Exercise) -> Iterator[tuple[str, str]]:
    """Language and text of an exercise's blocks, in order."""
    _, _, rest = TEXT.partition(f"\n## Exercise {which.number}: ")
    section = rest.split("\n## ")[0]
    for match in BLOCK.finditer(section):
        yield match[1], match[2]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("which", load_exercises(), ids=lambda each: f"exercise-{each.number}")
def test_an_exercise_goes_as_written(which: Exercise, copy: Path) -> None:
    results = copy / "results"
    before = set(results.iterdir()) if results.is_dir() else set()
    (first, (language, diff), last) = blocks(which)
    assert (first[0], language, last[0]) == ("", "diff", "")
    try:
        done = run(copy, first[1], typed="100\n")
        assert "yours" in done.stdout
        assert "█" in done.stdout
        subprocess.run(["git", "apply"], cwd=copy, input=diff, text=True, check=True)
        run(copy, last[1], typed="100\n")
    finally:
        run(copy, "git restore app")
    records = Records()
    new = sorted(set(results.iterdir()) - before)
    for made in find_runs(new):
        held = made.load_manifest()["workshop"]
        assert isinstance(held, dict)
        assert held["guess"] == 100.0
        assert (made.path / "workshop.png").stat().st_size > 0
        assert (made.path / "report.html").is_file()
        records.add_run(name_exercise_run(held["exercise"], bool(held["edited"])), made)
    found = judge_relation(build_relation(which), records)
    assert found.holds, found


@pytest.mark.untimed
@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        (
            "PlainTextResponse(upstream.fetch())",
            "PlainTextResponse(await upstream.fetch())",
            "TypeError: object bytes can't be used in 'await' expression",
        ),
        (
            "PlainTextResponse(upstream.fetch())",
            "PlainTextResponse(await run_sink(upstream.fetch))",
            "NameError: name 'run_sink' is not defined",
        ),
        (
            "async def async_http_sync() -> Response:",
            "async def async_http_sync() -> Answer:",
            "NameError: name 'Answer' is not defined",
        ),
    ],
)
def test_a_wrong_edit_gets_pythons_own_error(
    before: str, after: str, error: str, copy: Path
) -> None:
    """One edit that makes the endpoint fail, and one that stops the app from starting."""
    path = copy / "app" / "endpoints.py"
    kept = path.read_text()
    head, place, rest = kept.partition('@add("/async/http/sync")')
    wrong = f"{head}{place}{rest.replace(before, after, 1)}"
    path.write_text(wrong)
    try:
        done = run_here(["workshop", "2", "--edited", "--no-prompt"], copy, "")
    finally:
        path.write_text(kept)
    assert done.returncode == 2
    assert error in done.stderr.splitlines()
    (line,) = re.findall(r'^ *File "app/endpoints.py", line (\d+), in ', done.stderr, re.MULTILINE)
    assert after in wrong.splitlines()[int(line) - 1]
    assert "Traceback" not in done.stderr


def test_every_other_command_of_the_text_is_one(copy: Path) -> None:
    """Commands inside sentences: they name what the exercises run, or respond at once."""
    known = {build_command(each) for each in load_exercises()}
    for line in dict.fromkeys(INLINE.findall(" ".join(f"{TEXT} {TEACHER}".split()))):
        if line in known or re.match(r"study workshop \d", line):
            continue  # run above; a unit test checks that command_of runs the same
        if "SCENARIO" in line or line in FORMS:
            continue
        run(copy, line)


def test_the_set_up_is_as_written(copy: Path) -> None:
    (match,) = [each for each in BLOCK.finditer(TEXT) if "setup.sh" in each[2]]
    lines = match[2].splitlines()
    assert lines == [
        "sh setup.sh", ". .venv/bin/activate", "study doctor",
        "study run sync-http-shared --quick --port 0",
    ]  # fmt: skip
    for line in lines[2:]:
        run(copy, line)
