"""An exercise's output (prediction, theory and measurement side by side), docs/workshop.md, and the
teacher's page with the answers of recorded runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from analysis.guide.exercises import Exercise, build_exercise_scenario, load_exercises
from analysis.guide.page import MARKDOWN_LINK, TemplateFiller
from analysis.guide.recorded import Records
from analysis.guide.relations import MetricReference, Relation, RelationResult, judge_relation
from analysis.metrics import get_metric, get_value
from analysis.report.table import WIDTH, Column, Row, Table, render_terminal
from analysis.stats import formats
from analysis.summary.model import CellSummary
from scenarios.settings import format_as_options

ORDER = ("yours", "theory", "measured")
COLUMNS = (
    Column("", is_text=True, width=24),
    *(Column(each, format=formats.short_number, width=11) for each in ORDER),
)
BAR = 50


@dataclass(frozen=True, slots=True)
class ExerciseMetric:
    """One figure; `values` are in ORDER, None if unknown."""

    words: str
    values: tuple[float | None, ...]

    @property
    def bars(self) -> list[tuple[str, float]]:
        found = zip(ORDER, self.values, strict=True)
        return [(name, value) for name, value in found if value is not None]


def compare_exercise(
    which: Exercise, cell: CellSummary, guess: float | None
) -> tuple[ExerciseMetric, ...]:
    """Collect the figures of an exercise. The guess is for the first; theory lacks some."""
    found = []
    for figure, words in which.shown.items():
        predicted = get_metric(figure).predicted
        yours = guess if figure == which.asked else None
        theory = get_value(cell, predicted) if predicted else None
        found.append(ExerciseMetric(words, (yours, theory, get_value(cell, figure))))
    return tuple(found)


def render_exercise_table(found: Sequence[ExerciseMetric]) -> list[str]:
    return render_terminal(Table(COLUMNS, [Row(each.words, each.values) for each in found]))


def render_bars(found: ExerciseMetric) -> list[str]:
    """Render bars for a terminal, each as long as its figure."""
    longest = max((value for _, value in found.bars), default=0.0)
    lines = [found.words]
    for name, value in found.bars:
        bar = "█" * round(BAR * value / longest) if longest > 0 else ""
        lines.append(f"  {name:<10}{bar or '▏'} {formats.short_number(value)}")
    return lines


def wrap_paragraph(text: str, indent: str = "") -> str:
    """Wrap a paragraph of Markdown for a terminal, without its markup."""
    plain = MARKDOWN_LINK.sub(r"\1", text).replace("*", "").replace("`", "")
    return fill(plain, WIDTH, initial_indent=indent, subsequent_indent=indent)


def name_exercise_run(number: object, edited: bool) -> str:
    """Build the key of an exercise's run among the records."""
    return f"exercise-{number}{'-edited' if edited else ''}"


def build_workshop_texts(
    records: Records, diffs: Mapping[int, str]
) -> tuple[str, str, tuple[RelationResult, ...]]:
    """Build the Markdown of both pages, for all and for the teacher, and the relations of the
    answers."""
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
    return text, teacher, relations


def render_sample(records: Records) -> list[str]:
    """Render the output of exercise 1 for a student who predicts 200."""
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
    """Relate the asked figure after the edit to the one before."""
    grows = which.times > 1
    after, before = (
        MetricReference(build_cell_key(which, edited), which.asked) for edited in (True, False)
    )
    change = f"the edit {'raises' if grows else 'lowers'} {which.asked_words}"
    low, high = (which.times, math.inf) if grows else (0.0, which.times)
    sentence = f"Exercise {which.number}: {change}"
    return Relation(sentence, after, before, which.because, low, high)


def quote_answer(filling: TemplateFiller, which: Exercise, figure: str, edited: bool) -> str:
    """Quote a figure of an exercise's run; a dash if unknown."""
    cell, records = build_cell_key(which, edited), filling.records
    if not figure or records.get_median(cell, figure) is None:
        return formats.UNKNOWN
    return filling.quote_figure(cell, figure, formats.short_number)
