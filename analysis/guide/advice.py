"""What to write for a given load: the formulas, cases and ways of texts/advice.toml, computed here
for `study advise`, and in a browser by the form that templates/advice.html makes of the same."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Annotated

import jinja2
from pydantic import AfterValidator

from analysis.guide.page import TemplateFiller
from analysis.guide.rules import Decision, load_decision_table
from analysis.guide.text_files import TEXTS, Prose, load_toml
from analysis.stats import formats
from analysis.theory.formulas import compute_erlang_b, estimate_mgc_wait_s
from scenarios.advice import Waits
from scenarios.model import Client, Server
from scenarios.units import Second

Figures = Mapping[str, float]
CONSTANTS: Figures = {"threads": Server().pool, "connections": Client().connections}
"""Of a server and a client that nobody has configured."""
ROW_LABELS = ("work", "delay", "users", "write", "because", "costs", "limits", "next")
"""Of the decision table."""
PLACE = re.compile(r"\{(\w+)\}")
SHARED_SYNTAX = re.compile(r"(?:[a-z_0-9.,() ]|(?<!\*)[*](?!\*)|(?<!/)/(?!/)|[-+]|[<>]=?)+")
"""What Python and JavaScript read alike."""


def compute_wait_s(rate: float, service_s: Second, variation: float, servers: float) -> Second:
    """Infinite where there is no steady state."""
    found = estimate_mgc_wait_s(rate, service_s, variation, int(servers))
    return math.inf if found is None else found


FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "erlang_b": lambda load, servers: compute_erlang_b(load, int(servers)),
    "queue_wait_s": compute_wait_s,
}
"""Of the expressions; templates/advice.js has the last two for a browser."""


def check_expression(text: str) -> str:
    """The same text. Raises ValueError."""
    if not SHARED_SYNTAX.fullmatch(text):
        raise ValueError(f"{text!r} is no expression that Python and JavaScript read alike")
    compile_expression(text)
    return text


@cache
def compile_expression(text: str) -> Callable[..., float]:
    """Raises ValueError."""
    try:
        return jinja2.Environment().compile_expression(text, undefined_to_none=False)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"{text!r}: {error}") from error


Expression = Annotated[str, AfterValidator(check_expression)]


@dataclass(frozen=True, slots=True)
class Stand:
    """An endpoint of this study that stands for the reader's."""

    scenario: str
    cell: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Of waiting."""

    name: Waits
    label: str
    load: str
    awaited: Stand
    threaded: Stand


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


def evaluate(expression: Expression, figures: Figures) -> float:
    return compile_expression(expression)(figures, **FUNCTIONS)


def meet_all(conditions: Sequence[Expression], figures: Figures) -> bool:
    return all(evaluate(each, figures) for each in conditions)


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


def fill_rows(rows: Sequence[Decision], filler: TemplateFiller) -> list[list[str]]:
    """Their texts; a row whose figures were not recorded has dashes."""
    return [filler.fill(*each.texts) or [formats.UNKNOWN] * len(ROW_LABELS) for each in rows]


def fill_sentence(sentence: str, figures: Figures) -> str:
    return PLACE.sub(lambda place: format_figure(place[1], figures[place[1]]), sentence)


def format_figure(name: str, value: float) -> str:
    return format_duration(value) if name.endswith("_s") else format_three_digits(value)


def format_duration(value: Second) -> str:
    if value >= 1:
        return f"{format_three_digits(value)} s"
    return f"{format_three_digits(1000 * value)} ms"


def format_three_digits(value: float | None) -> str:
    """Three digits, and all of a whole number: 0.0167, 66.7, 1,234. Halves go up, as JavaScript
    has it."""
    if value is None:
        return formats.UNKNOWN
    exact = Decimal(value)
    if value >= 99.95:
        return f"{exact.quantize(Decimal(1), ROUND_HALF_UP):,}"
    return f"{Context(prec=3, rounding=ROUND_HALF_UP).plus(exact).normalize():f}"
