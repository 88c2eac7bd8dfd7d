"""What to write for a given load: the formulas, cases and ways of texts/advice.toml, computed here
for `study advise`, and in a browser by the form that templates/advice.html makes of the same."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache

from analysis.guide.expressions import Expression, Figures, evaluate, meet_all
from analysis.guide.page import TemplateFiller
from analysis.guide.rules import Decision, load_decision_table
from analysis.guide.text_files import TEXTS, Prose, load_toml
from analysis.stats import formats
from scenarios.advice import Waits
from scenarios.model import Client, Server
from scenarios.units import Second

CONSTANTS: Figures = {"threads": Server().pool, "connections": Client().connections}
"""Of a server and a client that nobody has configured."""
ROW_LABELS = ("write", "because", "costs", "limits", "next")
"""Of the decision table's columns, behind those which say what was measured."""
PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class StudyEndpoint:
    """An endpoint of this study that stands for the reader's."""

    scenario: str
    cell: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Of waiting."""

    name: Waits
    label: str
    load: str
    awaited: StudyEndpoint
    threaded: StudyEndpoint


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    rps: Expression


@dataclass(frozen=True, slots=True)
class Way:
    """To write the endpoint."""

    name: str
    waits: tuple[Waits, ...]
    highest_rps: Expression
    mean_s: Expression
    limits: tuple[Limit, ...]
    when: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """`rules` are those of the guidance, by name, the most important first."""

    waits: tuple[Waits, ...]
    write: str
    because: Prose
    rules: tuple[str, ...]
    when: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Remark:
    waits: tuple[Waits, ...]
    text: Prose
    when: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class AdviceTable:
    note: Prose
    formulas: Mapping[str, Expression]
    kinds: tuple[Kind, ...]
    ways: tuple[Way, ...]
    cases: tuple[Case, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class AdviceQuestion:
    """`cpu_s`, `thread_cpu_s`: of one request on a core of its own, in an `async def` and in a
    `def`."""

    waits: Waits
    delay_s: Second
    rate: float
    workers: int
    cores: int
    cpu_s: Second
    thread_cpu_s: Second


@dataclass(frozen=True, slots=True)
class WayPrediction:
    """`mean_s` is None where requests arrive faster than they are served."""

    name: str
    highest_rps: float
    served_rps: float
    mean_s: Second | None
    limited_by: str


@dataclass(frozen=True, slots=True)
class Advice:
    """`rules`: by name; `rows`: of the decision table, by number."""

    load: str
    write: str
    because: str
    rules: tuple[str, ...]
    remarks: tuple[str, ...]
    ways: tuple[WayPrediction, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FilledRow:
    """Of the decision table. `texts`: Markdown, one for each of ROW_LABELS."""

    measured: str
    texts: tuple[str, ...]


@cache
def load_advice_table() -> AdviceTable:
    """Raises UserError."""
    return load_toml(TEXTS / "advice.toml", AdviceTable)


def list_names() -> tuple[str, ...]:
    """Of all figures."""
    known = (each.name for each in fields(AdviceQuestion) if each.name != "waits")
    return (*known, *CONSTANTS, *load_advice_table().formulas)


def find_kind(name: Waits) -> Kind:
    return next(each for each in load_advice_table().kinds if each.name == name)


def compute_figures(question: AdviceQuestion) -> dict[str, float]:
    """What is known from the question, then each formula by name."""
    known: dict[str, float] = {**asdict(question), **CONSTANTS}
    del known["waits"]
    for name, formula in load_advice_table().formulas.items():
        known[name] = evaluate(formula, known)
    return known


def compute_advice(question: AdviceQuestion) -> Advice:
    table, figures = load_advice_table(), compute_figures(question)

    def holds(each: Way | Case | Remark) -> bool:
        return question.waits in each.waits and meet_all(each.when, figures)

    case = next(filter(holds, table.cases))
    return Advice(
        load=fill_sentence(find_kind(question.waits).load, figures),
        write=fill_sentence(case.write, figures),
        because=fill_sentence(case.because, figures),
        rules=case.rules,
        remarks=tuple(fill_sentence(each.text, figures) for each in filter(holds, table.remarks)),
        ways=tuple(predict_way(each, figures) for each in filter(holds, table.ways)),
        rows=tuple(
            place
            for place, each in enumerate(load_decision_table().rows)
            if each.waits == question.waits and meet_all(each.when, figures)
        ),
    )


def predict_way(way: Way, figures: Figures) -> WayPrediction:
    highest_rps, rate = evaluate(way.highest_rps, figures), figures["rate"]
    mean_s = evaluate(way.mean_s, figures)
    steady = rate < highest_rps and math.isfinite(mean_s)
    full = min(way.limits, key=lambda each: evaluate(each.rps, figures))
    return WayPrediction(
        fill_sentence(way.name, figures), highest_rps, min(rate, highest_rps),
        mean_s if steady else None, full.name,
    )  # fmt: skip


def fill_row(row: Decision, filler: TemplateFiller) -> FilledRow:
    """A row whose figures were not recorded has dashes."""
    found = filler.fill(*row.texts) or [formats.UNKNOWN] * len(row.texts)
    work, delay, users, *texts = found
    return FilledRow(f"{work}: {delay}, {users} users", tuple(texts))


def fill_sentence(sentence: str, figures: Figures) -> str:
    return PLACE.sub(lambda place: format_figure(place[1], figures[place[1]]), sentence)


def format_figure(name: str, value: float) -> str:
    return (formats.duration_three_digits if name.endswith("_s") else formats.three_digits)(value)
