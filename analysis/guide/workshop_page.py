"""docs/workshop.md: exercises, and a page for the teacher with answers from recorded runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.guide.claims import MetricReference, Relation, RelationResult, judge_relation
from analysis.guide.lesson import FORETOLD, compare_exercise, render_bars, render_exercise_table
from analysis.guide.page import GuidanceRow, TemplateFiller, build_guidance_row
from analysis.guide.recorded import Records
from analysis.stats import formats
from scenarios.exercises import EXERCISES, Exercise, PredictedMetric, build_exercise_scenario
from scenarios.settings import format_as_options


@dataclass(frozen=True, slots=True)
class WorkshopText:
    """Markdown: for everybody, and for the teacher; the relations that the answers rest on."""

    text: str
    teacher: str
    relations: tuple[RelationResult, ...]


@dataclass(frozen=True, slots=True)
class ExerciseAnswer:
    """One figure of an exercise, before and after the edit, by theory and as measured."""

    number: int
    words: str
    theory: str
    measured: str
    theory_after: str
    measured_after: str


def name_exercise_run(number: object, edited: bool) -> str:
    """Of an exercise's run among the records."""
    return f"exercise-{number}{'-edited' if edited else ''}"


def build_workshop_text(records: Records, diffs: Mapping[int, str]) -> WorkshopText:
    filling = TemplateFiller(records)
    relations = tuple(judge_relation(build_relation(each), records) for each in EXERCISES)
    answers = [build_answer(each, asked, filling) for each in EXERCISES for asked in each.shown]
    shown = {
        "exercises": EXERCISES,
        "diffs": diffs,
        "commands": {each.number: build_command(each) for each in EXERCISES},
        "answers": answers,
        "machines": list(dict.fromkeys(str(each) for each in records.machines.values())),
        "rows": list_run_rows(records),
        "sample": render_sample(records),
        "minutes": sum(each.minutes for each in EXERCISES),
    }
    text, teacher = (
        filling.environment.get_template(name).render(shown)
        for name in ("workshop.md", "workshop-teacher.md")
    )
    return WorkshopText(text, teacher, relations)


def render_sample(records: Records) -> list[str]:
    """What exercise 1 shows to somebody who has predicted 200."""
    key = build_cell_key(EXERCISES[0], edited=False)
    if key not in records.cells:
        return []
    found = compare_exercise(EXERCISES[0], records.cells[key].trials[0], 200.0)
    return [*render_exercise_table(found), "", *render_bars(found[0])]


def build_command(which: Exercise) -> str:
    return f"study run {which.scenario} {format_as_options(which.overrides)}"


def build_cell_key(which: Exercise, edited: bool) -> str:
    return (
        f"{name_exercise_run(which.number, edited)}/{build_exercise_scenario(which, edited).name}"
    )


def build_relation(which: Exercise) -> Relation:
    """Of the asked figure, after the edit and before."""
    grows = which.times > 1
    return Relation(
        f"Exercise {which.number}: after the edit, {which.asked.words} "
        f"{'grows' if grows else 'falls'}",
        MetricReference(build_cell_key(which, True), which.asked.figure),
        MetricReference(build_cell_key(which, False), which.asked.figure),
        which.times if grows else 0.0,
        which.because,
        *(() if grows else (which.times,)),
    )


def build_answer(
    which: Exercise, asked: PredictedMetric, filling: TemplateFiller
) -> ExerciseAnswer:
    foretold = FORETOLD.get(asked.figure)

    def told(edited: bool, figure: str | None) -> str:
        if (
            figure is None
            or filling.records.get_median(build_cell_key(which, edited), figure) is None
        ):
            return formats.UNKNOWN
        cell = build_cell_key(which, edited)
        found = filling.quote_figure(cell, figure, formats.short_number)
        return f"at least {found}" if is_lower_bound(filling.records, cell, figure) else found

    return ExerciseAnswer(
        which.number,
        asked.words,
        told(False, foretold),
        told(False, asked.figure),
        told(True, foretold),
        told(True, asked.figure),
    )


def is_lower_bound(records: Records, cell: str, figure: str) -> bool:
    """Whether half of those who asked in passing had no answer: then it is their age."""
    if not figure.startswith("bystander."):
        return False
    unanswered = records.get_median(cell, "bystander.unanswered") or 0.0
    return 2 * unanswered >= (records.get_median(cell, "bystander.pings") or 1.0)


def list_run_rows(records: Records) -> Sequence[tuple[str, str, GuidanceRow]]:
    """Command, folder and figures of each run."""
    return [
        (each.command, each.folder, build_guidance_row(each)) for each in records.cells.values()
    ]
