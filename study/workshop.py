"""`study workshop`: an exercise: first your prediction, then the run, then both with theory."""

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path

from analysis.guide.exercises import Exercise, build_exercise_scenario, load_exercises
from analysis.guide.recorded import Records, find_runs
from analysis.guide.workshop_page import (
    ORDER,
    build_command,
    build_workshop_texts,
    compare_exercise,
    name_exercise_run,
    render_bars,
    render_exercise_table,
    wrap_paragraph,
)
from analysis.report.write import save_pictures
from analysis.summary.run import ExerciseRecord
from scenarios.errors import UserError
from stress.places import IS_CLONE, ROOT, find_specimen_folder
from study.final_output import OTHERS, choose_exit_code, print_report_location
from study.guide import publish_texts, wrap_command
from study.paths import format_path
from study.run import RunOptions, RunResult, run_scenarios
from study.specimen import build_restore_command, name_file, place_specimen

ATTEMPTS = 3
KEPT = ROOT / "docs" / "evidence" / "workshop"
PAGE = ROOT / "docs" / "workshop.md"
TEACHER = "workshop-teacher.md"


@dataclass(frozen=True, slots=True)
class WorkshopSession:
    """`ask`: for a prediction, before anything runs."""

    exercise: Exercise
    edited: bool
    ask: bool
    port: int
    out: Path
    command: str

    def run_session(self) -> int:
        """Raises UserError."""
        which = self.exercise
        place_specimen(self.out)
        scenario = build_exercise_scenario(which, self.edited)
        check_edits(which, self.edited)
        print(f"Exercise {which.number}: {which.title}")
        print(wrap_paragraph(which.question))
        if self.edited:
            print(
                "\n"
                + wrap_paragraph(
                    f"After your edit of {name_file(which.file)}: {which.asked_words}?"
                )
            )
        guess = ask_prediction(which) if self.ask else None
        print("" if self.edited else f"\n{wrap_command(build_command(which))}\n", flush=True)
        order = RunOptions(
            name=f"workshop-{which.number}{'-edited' if self.edited else ''}",
            trials=1,
            port=self.port,
            out=self.out,
            command=self.command,
            closing=False,
            workshop=asdict(self.build_record(guess)),
        )
        done = run_scenarios([scenario], order)
        if done.summary.cells and not done.summary.cells[0].interrupted:
            self.print_outcome(done, guess)
        return choose_exit_code(done.summary, done.directory, done.ended)

    def build_record(self, guess: float | None) -> ExerciseRecord:
        which = self.exercise
        return ExerciseRecord(
            exercise=which.number,
            edited=self.edited,
            guess=guess,
            title=which.title,
            question=which.question,
            asked=which.asked,
            asked_words=which.asked_words,
        )

    def print_outcome(self, done: RunResult, guess: float | None) -> None:
        from analysis.report.summary_charts import render_bars_chart  # altair imports slowly

        which, cell, folder = self.exercise, done.summary.cells[0], done.directory.path
        found = compare_exercise(which, cell, guess)
        bars = {each.words: each.bars for each in found}
        save_pictures(folder, [render_bars_chart("workshop", bars, ORDER)])
        print("\n" + "\n".join(render_exercise_table(found)))
        print("\n" + "\n".join(render_bars(found[0])))
        grave = [verdict.code for verdict in cell.verdicts if verdict.severity == "error"]
        if grave:
            print("\n" + wrap_paragraph(f"doubtful: {', '.join(grave)}; report.html says why"))
        if self.edited:
            print("\n" + wrap_paragraph(f"What should have happened: {which.then}"))
            print(f"\nTake the edit back: {build_restore_command()}")
        else:
            print("\n" + wrap_paragraph(f"Why: {which.why}"))
            print(wrap_paragraph(f"Look at: {which.look}"))
            print(f"\nNow change {name_file(which.file)}:\n\n{describe_edit(which)}")
            print(f"What will happen? Then: study workshop {which.number} --edited")
        print_report_location(done.directory, done.page, ("workshop.png", *OTHERS))


def ask_prediction(which: Exercise) -> float:
    """The prediction, from standard input. Raises UserError where none comes."""
    for _ in range(ATTEMPTS):
        print(f"\nYour prediction, {which.asked_words}: ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise UserError("no prediction came on standard input; --no-prompt runs without one")
        try:
            value = float(line.strip().replace(",", ""))
        except ValueError:
            print(f"{line.strip()!r} is no number; a plain one such as 250")
            continue
        if 0 <= value < float("inf"):
            return value
        print("a number from 0 on")
    raise UserError(f"no prediction in {ATTEMPTS} attempts; --no-prompt runs without one")


def is_edit_applied(which: Exercise) -> bool:
    """However its lines are broken."""
    text = strip_formatting((find_specimen_folder() / which.file).read_text())
    hunks = [(strip_formatting(before), strip_formatting(after)) for before, after in which.hunks]
    as_said = all(new in text and (old in new or old not in text) for old, new in hunks)
    return as_said or bool(which.instead and strip_formatting(which.instead) in text)


def strip_formatting(code: str) -> str:
    """Without what a formatter may change."""
    return re.sub(r"[\s,]+", "", code)


def check_edits(which: Exercise, edited: bool) -> None:
    """Raises UserError where the app is not as this form of the exercise needs it; edits of other
    exercises are reported."""
    if edited and not is_edit_applied(which):
        raise UserError(
            f"{name_file(which.file)} is not edited as exercise {which.number} says: "
            + "; ".join(describe_edit(which).splitlines())
        )
    if not edited and is_edit_applied(which):
        raise UserError(
            f"{name_file(which.file)} still has the edit of exercise {which.number}: take it back "
            f"with `{build_restore_command()}`, or run --edited"
        )
    for other in load_exercises():
        if other is not which and is_edit_applied(other):
            print(
                f"study: {name_file(other.file)} still has the edit of exercise {other.number}; "
                f"`{build_restore_command()}` takes it back",
                file=sys.stderr,
            )


def describe_edit(which: Exercise) -> str:
    """What to take out and what to put in."""
    lines = [line for diff in which.diffs for line in diff.splitlines() if line[0] != " "]
    return "".join(f"{line[0]} {line[1:]}\n" for line in lines)


def build_diff(which: Exercise) -> str:
    """For `git apply`. Raises UserError where the file does not hold what the edit replaces."""
    before = after = (ROOT / which.file).read_text()
    for old, new in which.hunks:
        if before.count(old) != 1:
            raise UserError(f"{which.file} does not hold {old!r} once: the edit no longer fits it")
        after = after.replace(old, new)
    names = f"a/{which.file}", f"b/{which.file}"
    lines = unified_diff(before.splitlines(True), after.splitlines(True), *names, n=2)
    return "".join(lines)


def write_workshop_page(paths: Sequence[Path], out: Path, kept: Path | None) -> int:
    """Outside a clone to `out`. NOT_AS_EXPECTED where the records do not bear out an answer: then
    nothing is written. Raises UserError."""
    page = PAGE if IS_CLONE else out / PAGE.name
    records = Records()
    for run in find_runs(paths):
        held = run.load_manifest().get("workshop")
        if not isinstance(held, dict):
            raise UserError(f"{run.path}: no run of `study workshop`")
        records.add_run(name_exercise_run(held.get("exercise"), bool(held.get("edited"))), run)
    diffs = {each.number: build_diff(each) for each in load_exercises()}
    text, teacher, relations = build_workshop_texts(records, diffs)
    for number, found in enumerate(relations, start=1):
        if found.ratio is None:
            raise UserError(
                f"exercise {number} was not recorded in both forms: `study workshop {number} "
                f"--no-prompt`, and after the edit with --edited; then --page with all of the runs"
            )
    texts = {page: text, page.with_name(TEACHER): teacher}
    return publish_texts(texts, relations, records, kept)


def print_exercises() -> int:
    for each in load_exercises():
        print(f"{each.number}  {each.title} ({each.minutes} minutes)")
        print(wrap_paragraph(each.question, "   "))
    print(
        f"\nstudy workshop 1 begins; {format_path(PAGE)} has all of it, and a page for the teacher"
    )
    return 0
