"""docs/workshop.md: exercises, and a page for the teacher with answers from recorded runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis import formats
from analysis.guide.claims import Figure, Judged, Relation, judged
from analysis.guide.lesson import FORETOLD, bars, compared, table
from analysis.guide.page import Filling, Row, row_of
from analysis.guide.recorded import Records
from scenarios.exercises import EXERCISES, Asked, Exercise, scenario_of
from scenarios.overrides import as_options


@dataclass(frozen=True, slots=True)
class WorkshopText:
    """Markdown: for everybody, and for the teacher; the relations that the answers rest on."""

    text: str
    teacher: str
    relations: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One figure of an exercise, before and after the edit, by theory and as measured."""

    number: int
    words: str
    theory: str
    measured: str
    theory_after: str
    measured_after: str


def place(number: object, edited: bool) -> str:
    """Of an exercise's run among the records."""
    return f"exercise-{number}{'-edited' if edited else ''}"


def workshop_text(records: Records, diffs: Mapping[int, str]) -> WorkshopText:
    filling = Filling(records)
    relations = tuple(judged(relation_of(each), records) for each in EXERCISES)
    answers = [answer(each, asked, filling) for each in EXERCISES for asked in each.shown]
    shown = {
        "exercises": EXERCISES,
        "diffs": diffs,
        "commands": {each.number: command_of(each) for each in EXERCISES},
        "answers": answers,
        "machines": list(dict.fromkeys(str(each) for each in records.machines.values())),
        "rows": rows_of(records),
        "sample": sample(records),
        "minutes": sum(each.minutes for each in EXERCISES),
    }
    text, teacher = (
        filling.environment.get_template(name).render(shown)
        for name in ("workshop.md", "workshop-teacher.md")
    )
    return WorkshopText(text, teacher, relations)


def sample(records: Records) -> list[str]:
    """What exercise 1 shows to somebody who has predicted 200."""
    key = cell_of(EXERCISES[0], edited=False)
    if key not in records.cells:
        return []
    found = compared(EXERCISES[0], records.cells[key].trials[0], 200.0)
    return [*table(found), "", *bars(found[0])]


def command_of(which: Exercise) -> str:
    return f"study run {which.scenario} {as_options(which.overrides)}"


def cell_of(which: Exercise, edited: bool) -> str:
    return f"{place(which.number, edited)}/{scenario_of(which, edited).name}"


def relation_of(which: Exercise) -> Relation:
    """Of the asked figure, after the edit and before."""
    grows = which.times > 1
    return Relation(
        f"Exercise {which.number}: after the edit, {which.asked.words} "
        f"{'grows' if grows else 'falls'}",
        Figure(cell_of(which, True), which.asked.figure),
        Figure(cell_of(which, False), which.asked.figure),
        which.times if grows else 0.0,
        which.because,
        *(() if grows else (which.times,)),
    )


def answer(which: Exercise, asked: Asked, filling: Filling) -> Answer:
    foretold = FORETOLD.get(asked.figure)

    def told(edited: bool, figure: str | None) -> str:
        if figure is None or filling.records.value(cell_of(which, edited), figure) is None:
            return formats.UNKNOWN
        cell = cell_of(which, edited)
        found = filling.quoted(cell, figure, formats.brief)
        return f"at least {found}" if is_bound(filling.records, cell, figure) else found

    return Answer(
        which.number,
        asked.words,
        told(False, foretold),
        told(False, asked.figure),
        told(True, foretold),
        told(True, asked.figure),
    )


def is_bound(records: Records, cell: str, figure: str) -> bool:
    """Whether half of those who asked in passing had no answer: then it is their age."""
    if not figure.startswith("bystander."):
        return False
    unanswered = records.value(cell, "bystander.unanswered") or 0.0
    return 2 * unanswered >= (records.value(cell, "bystander.pings") or 1.0)


def rows_of(records: Records) -> Sequence[tuple[str, str, Row]]:
    """Command, folder and figures of each run."""
    return [(each.command, each.folder, row_of(each)) for each in records.cells.values()]
