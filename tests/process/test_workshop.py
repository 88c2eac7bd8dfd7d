"""docs/workshop.md, as written there: every command is run, every edit is made, in a copy of this
project, and what should happen happens."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from analysis.guide.exercises import Exercise, load_exercises
from analysis.guide.recorded import Records, find_runs
from analysis.guide.rules import judge_relation
from analysis.guide.workshop_page import build_command, build_relation, name_exercise_run
from tests.process.support import ROOT

pytestmark = pytest.mark.slow
TEXT = (ROOT / "docs" / "workshop.md").read_text()
TEACHER = (ROOT / "docs" / "workshop-teacher.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:study|git) [^`]+)`")
FORMS = ("study run", "study sweep", "study workshop --page")
"""Commands that a sentence only names."""
LONGEST_S = 90.0
"""What an exercise may take at the most, by the workshop's own plan."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own, so that `git restore` works as written."""
    folder = tmp_path_factory.mktemp("workshop") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    # Twelve windows of 3 s instead of 5: three pings of the bystander are enough for a median, and
    # all else comes some hundred times in one.
    for exercise in (folder / "analysis" / "guide" / "texts" / "exercises").glob("*.md"):
        written = exercise.read_text()
        assert "\nduration_s = 5.0\n" in written
        exercise.write_text(written.replace("\nduration_s = 5.0\n", "\nduration_s = 3.0\n"))
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "as cloned")):
        subprocess.run((*git, *words), cwd=folder, check=True)
    return folder


def run(folder: Path, line: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """A line of the text, in the copy; `study` is this environment's."""
    words = shlex.split(line)
    argv = (sys.executable, "-m", *words) if words[0] == "study" else tuple(words)
    begun_s = monotonic()
    done = subprocess.run(
        argv, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, input=typed,
        capture_output=True, text=True, timeout=2 * LONGEST_S, check=False,
    )  # fmt: skip
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


def test_every_other_command_of_the_text_is_one(copy: Path) -> None:
    """Those inside of sentences: they name what the exercises run, or answer at once."""
    known = {build_command(each) for each in load_exercises()}
    for line in dict.fromkeys(INLINE.findall(" ".join(f"{TEXT} {TEACHER}".split()))):
        if line in known or re.match(r"study workshop \d", line):
            continue  # run above; that command_of runs the same is a unit test
        if "SCENARIO" in line or line in FORMS:
            continue
        run(copy, line)


def test_the_set_up_is_as_written(copy: Path) -> None:
    (match,) = [each for each in BLOCK.finditer(TEXT) if "setup.sh" in each[2]]
    lines = match[2].splitlines()
    assert lines == [
        "sh setup.sh", ". .venv/bin/activate", "study doctor", "study workshop 1 --no-prompt",
    ]  # fmt: skip
    assert (copy / "setup.sh").is_file()
    run(copy, lines[2])  # the last one is run above
