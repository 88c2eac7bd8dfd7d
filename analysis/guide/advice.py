"""Advice for a given load: the formulas, cases and ways of texts/advice.toml, computed here for
`study advise`; templates/advice.js computes the same in a browser."""

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
"""Defaults of a server and a client."""
ROW_LABELS = ("write", "because", "costs", "limits", "next")
"""Labels of the decision table's columns after those that name what was measured."""
PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class StudyEndpoint:
    """An endpoint of this study whose CPU stands for that of the reader's endpoint."""

    scenario: str
    cell: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of waiting."""

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
    """A way to write the endpoint."""

    name: str
    waits: tuple[Waits, ...]
    highest_rps: Expression
    mean_s: Expression
    limits: tuple[Limit, ...]
    when: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """`rules` are names of guidance rules, the most important first."""

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
    """`cpu_s`, `thread_cpu_s`: CPU of one request on an idle core, in `async def` and `def`."""

    waits: Waits
    delay_s: Second
    rate: float
    workers: int
    cores: int
    cpu_s: Second
    thread_cpu_s: Second


@dataclass(frozen=True, slots=True)
class WayPrediction:
    """`mean_s` is None if requests arrive faster than they are served."""

    name: str
    highest_rps: float
    served_rps: float
    mean_s: Second | None
    limited_by: str


@dataclass(frozen=True, slots=True)
class Advice:
    """`rules` are names; `rows` are indices into the decision table."""

    load: str
    write: str
    because: str
    rules: tuple[str, ...]
    remarks: tuple[str, ...]
    ways: tuple[WayPrediction, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FilledRow:
    """A row of the decision table. `texts`: Markdown, one per ROW_LABELS."""

    measured: str
    texts: tuple[str, ...]


@cache
def load_advice_table() -> AdviceTable:
    """Raises UserError."""
    return load_toml(TEXTS / "advice.toml", AdviceTable)


def list_names() -> tuple[str, ...]:
    """List the names of all figures."""
    known = (each.name for each in fields(AdviceQuestion) if each.name != "waits")
    return (*known, *CONSTANTS, *load_advice_table().formulas)


def find_kind(name: Waits) -> Kind:
    return next(each for each in load_advice_table().kinds if each.name == name)


def compute_figures(question: AdviceQuestion) -> dict[str, float]:
    """Map the question's figures, the constants and each formula's name to their values."""
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
    """Fill a row's texts; all are dashes if one of its figures was not recorded."""
    found = filler.fill(*row.texts) or [formats.UNKNOWN] * len(row.texts)
    work, delay, users, *texts = found
    return FilledRow(f"{work}: {delay}, {users} users", tuple(texts))


def fill_sentence(sentence: str, figures: Figures) -> str:
    return PLACE.sub(lambda place: format_figure(place[1], figures[place[1]]), sentence)


def format_figure(name: str, value: float) -> str:
    return (formats.duration_three_digits if name.endswith("_s") else formats.three_digits)(value)
