"""docs/workshop.md: exercises, and a page for the teacher with answers from recorded runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.guide.claims import MetricReference, Relation, RelationResult, judge_relation
from analysis.guide.exercises import Exercise, build_exercise_scenario, load_exercises
from analysis.guide.lesson import (
    compare_exercise,
    render_bars,
    render_exercise_table,
)
from analysis.guide.page import TemplateFiller
from analysis.guide.recorded import Records
from analysis.metrics import get_metric
from analysis.stats import formats
from scenarios.settings import format_as_options


@dataclass(frozen=True, slots=True)
class WorkshopText:
    """Markdown: for everybody, and for the teacher; the relations that the answers rest on."""

    text: str
    teacher: str
    relations: tuple[RelationResult, ...]


def name_exercise_run(number: object, edited: bool) -> str:
    """Of an exercise's run among the records."""
    return f"exercise-{number}{'-edited' if edited else ''}"


def build_workshop_text(records: Records, diffs: Mapping[int, str]) -> WorkshopText:
    exercises, filling = load_exercises(), TemplateFiller(records)
    shown = {
        "exercises": exercises,
        "diffs": diffs,
        "command": build_command,
        "predicted": lambda figure: get_metric(figure).predicted,
        "answer": lambda *asked: quote_answer(filling, *asked),
        "sample": render_sample(records),
        "minutes": sum(each.minutes for each in exercises),
    }
    text, teacher = (
        filling.environment.get_template(name).render(shown)
        for name in ("workshop.md", "workshop-teacher.md")
    )
    relations = tuple(judge_relation(build_relation(each), records) for each in exercises)
    return WorkshopText(text, teacher, relations)


def render_sample(records: Records) -> list[str]:
    """What exercise 1 shows to a student who predicted 200."""
    first, *_ = load_exercises()
    key = build_cell_key(first, edited=False)
    if key not in records.cells:
        return []
    found = compare_exercise(first, records.cells[key].trials[0], 200.0)
    return [*render_exercise_table(found), "", *render_bars(found[0])]


def build_command(which: Exercise) -> str:
    return f"study run {which.scenario} {format_as_options(which.overrides)}"


def build_cell_key(which: Exercise, edited: bool) -> str:
    scenario = build_exercise_scenario(which, edited)
    return f"{name_exercise_run(which.number, edited)}/{scenario.name}"


def build_relation(which: Exercise) -> Relation:
    """Of the asked figure, after the edit and before."""
    grows = which.times > 1
    return Relation(
        f"Exercise {which.number}: after the edit, {which.asked_words} "
        f"{'grows' if grows else 'falls'}",
        MetricReference(build_cell_key(which, True), which.asked),
        MetricReference(build_cell_key(which, False), which.asked),
        which.because,
        low=which.times if grows else 0.0,
        high=math.inf if grows else which.times,
    )


def quote_answer(filling: TemplateFiller, which: Exercise, figure: str, edited: bool) -> str:
    """A figure of an exercise's run; theory does not have all that are measured."""
    cell = build_cell_key(which, edited)
    if not figure or filling.records.get_median(cell, figure) is None:
        return formats.UNKNOWN
    found = filling.quote_figure(cell, figure, formats.short_number)
    return f"at least {found}" if is_lower_bound(filling.records, cell, figure) else found


def is_lower_bound(records: Records, cell: str, figure: str) -> bool:
    """Whether half of those who asked in passing had no answer: then it is their age."""
    if not figure.startswith("bystander."):
        return False
    unanswered = records.get_median(cell, "bystander.unanswered") or 0.0
    return 2 * unanswered >= (records.get_median(cell, "bystander.pings") or 1.0)
