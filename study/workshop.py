"""`study workshop`: an exercise: your prediction, the run, and both compared with the model."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from analysis.guide.agreement import AGREEMENT, explain_differences
from analysis.guide.exercises import Exercise, build_exercise_scenario, load_exercises
from analysis.guide.recorded import Records, find_runs, keep_records
from analysis.guide.workshop_page import (
    ORDER,
    ExerciseMetric,
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
from records.parse_json import LARGEST
from records.rundir import RunDir
from scenarios.errors import INTERRUPTED, UserError
from scenarios.model import Scenario
from scenarios.resolution import resolve_scenario
from stress.interruption import CellInterruptedError, record_signals
from stress.places import IS_CLONE, ROOT, find_specimen_folder
from stress.python_error import find_python_error
from study.final_output import (
    OTHERS,
    choose_exit_code,
    print_report_location,
    write_report_page,
)
from study.guide import publish_texts, wrap_command
from study.machine_facts import detect_resources
from study.paths import format_path
from study.run import RunOptions, RunResult, run_scenarios
from study.specimen import build_restore_command, name_file, place_specimen
from study.workshop_edit import build_diff, check_edits, render_edit

ATTEMPTS = 3
KEPT = ROOT / "docs" / "evidence" / "workshop"
PAGE = ROOT / "docs" / "workshop.md"
TEACHER = "workshop-teacher.md"


@dataclass(frozen=True, slots=True)
class WorkshopSession:
    """One form of an exercise. ask: prompt for a prediction before the run."""

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
        check_edits(which, self.edited, lambda: try_app(scenario))
        after = f", after your edit of {name_file(which.file)}" if self.edited else ""
        print(wrap_paragraph(f"Exercise {which.number}: {which.title}{after}"))
        print(wrap_paragraph(which.edited_question if self.edited else which.question))
        guess = ask_prediction(which) if self.ask else None
        print("" if self.edited else f"\n{wrap_command(build_command(which))}\n", flush=True)
        order = RunOptions(
            name=f"workshop-{which.number}{'-edited' if self.edited else ''}",
            trials=1,
            port=self.port,
            out=self.out,
            command=self.command,
            closing=False,
            report=False,
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
            question=which.edited_question if self.edited else which.question,
            asked=which.asked,
            asked_words=which.asked_words,
        )

    def print_outcome(self, done: RunResult, guess: float | None) -> None:
        """Print the figures first: drawing the charts takes seconds."""
        which, cell = self.exercise, done.summary.cells[0]
        found = compare_exercise(which, cell, guess)
        print("\n" + "\n".join(render_exercise_table(found)))
        print("\n" + "\n".join(render_bars(found[0])))
        for line in explain_differences(which, self.edited, cell) or [AGREEMENT]:
            print("\n" + wrap_paragraph(line))
        grave = [verdict.code for verdict in cell.verdicts if verdict.severity == "error"]
        if grave:
            doubt = f"Do not rely on these figures: {', '.join(grave)}; report.html says why."
            print("\n" + wrap_paragraph(doubt))
        page = draw_pictures(done, found)
        print_report_location(done.directory, page, ("workshop.png", *OTHERS))
        if self.edited:
            print("\n" + wrap_paragraph(f"What should have happened: {which.then}"))
            print(f"\nRevert the edit: {build_restore_command()}")
        else:
            print("\n" + wrap_paragraph(f"Why: {which.why}"))
            print("\n" + wrap_paragraph(f"Look at: {which.look}"))
            print("\nNow remove the lines with - and add those with +.")
            print(f"\n{render_edit(which)}\n")
            print(wrap_paragraph(f"Predict again: {which.edited_question}"))
            print(f"\nThen: study workshop {which.number} --edited")


def draw_pictures(done: RunResult, found: Sequence[ExerciseMetric]) -> bool:
    """Draw the charts; return True if report.html was drawn too."""
    from analysis.report.summary_charts import render_bars_chart  # slow: it imports altair

    bars = {each.words: each.bars for each in found}
    save_pictures(done.directory.path, [render_bars_chart("workshop", bars, ORDER)])
    return write_report_page(done.summary, done.directory)


def try_app(scenario: Scenario) -> str | None:
    """Return the app's Python error, None without one. Raises UserError on Ctrl-C."""
    resolved = resolve_scenario(scenario, detect_resources())
    try:
        with record_signals() as interruption:
            return find_python_error(resolved, find_specimen_folder(), interruption)
    except CellInterruptedError as end:
        raise UserError(f"interrupted ({end}); nothing was measured", INTERRUPTED) from end


def ask_prediction(which: Exercise) -> float:
    """Read the prediction from standard input. Raises UserError if none comes."""
    for _ in range(ATTEMPTS):
        print(f"\nYour prediction, {which.asked_words}: ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise UserError("standard input has no prediction; --no-prompt runs without one")
        try:
            value = float(line.strip().replace(",", ""))
        except ValueError:
            print(f"{line.strip()!r} is not a number; give one such as 250")
            continue
        if 0 <= value <= LARGEST:
            return value
        print("give a number of at least 0")
    raise UserError(f"no prediction in {ATTEMPTS} attempts; --no-prompt runs without one")


def write_workshop_page(paths: Sequence[Path], out: Path, kept: Path | None) -> int:
    """Write the page, outside a clone to `out`. Returns NOT_AS_EXPECTED, and writes nothing, if the
    records contradict an answer. Raises UserError."""
    page = PAGE if IS_CLONE else out / PAGE.name
    records = Records()
    for run in find_runs(paths):
        name = name_run(run)
        if name is None:
            raise UserError(f"{run.path}: this is not a run of `study workshop`")
        records.add_run(name, run)
    diffs = {each.number: build_diff(each) for each in load_exercises()}
    text, teacher, relations = build_workshop_texts(records, diffs)
    for number, found in enumerate(relations, start=1):
        if found.ratio is None:
            raise UserError(
                f"exercise {number} was not recorded in both forms: run `study workshop {number} "
                f"--no-prompt`, and after the edit with --edited; then give --page all runs"
            )
    texts = {page: text, page.with_name(TEACHER): teacher}
    keep = None if kept is None else partial(keep_records, records, kept, name_run)
    return publish_texts(texts, relations, records, keep)


def name_run(run: RunDir) -> str | None:
    """Name the exercise, and whether the app was edited; None for other runs."""
    held = run.load_manifest().get("workshop")
    if not isinstance(held, dict):
        return None
    return name_exercise_run(held.get("exercise"), bool(held.get("edited")))


def print_exercises() -> int:
    for each in load_exercises():
        print(f"{each.number}  {each.title} ({each.minutes} minutes)")
        print(wrap_paragraph(each.question, "   "))
    print(
        f"\nStart with study workshop 1. {format_path(PAGE)} has all exercises, and links the\n"
        "teacher's page."
    )
    return 0
