"""The rules and the decision table from texts/: claim, measurement and advice, and their relations.
A relation is a sentence in a form that can fail: in the records, and wherever `study guide --check`
measures again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Literal

from jinja2 import Environment, TemplateSyntaxError, nodes
from pydantic import AfterValidator, BeforeValidator

from analysis.findings.judge import list_findings
from analysis.guide.recorded import Records, load_experiments
from analysis.guide.text_files import (
    LEAD,
    TEXTS,
    TITLE,
    Prose,
    check_metric,
    load_numbered_texts,
    load_toml,
)
from analysis.stats import formats

RULE_SECTIONS = {TITLE: "claim", LEAD: "measured", "Do": "do"}


@dataclass(frozen=True, slots=True)
class MetricReference:
    """`cell`: experiment and scenario, `cpu/cpu-sync`; `name`: as in summary.json."""

    cell: str
    name: str = "ok_rps"


def check_experiment(cell: str) -> str:
    """Return the cell unchanged. Raises ValueError."""
    experiment, _, scenario = cell.partition("/")
    if not scenario or experiment not in {each.name for each in load_experiments()}:
        raise ValueError(f"{cell!r} is not an experiment with a scenario")
    return cell


def parse_reference(text: object) -> object:
    """Parse `ok_rps of cpu/cpu-sync`; return other objects as is. Raises ValueError."""
    if not isinstance(text, str):
        return text
    name, _, cell = text.partition(" of ")
    return MetricReference(check_experiment(cell), check_metric(name))


def check_template(text: str) -> str:
    """Return the text unchanged. Raises ValueError if it quotes an unknown figure."""
    try:
        calls = Environment().parse(text).find_all(nodes.Call)
        for cell, *metric in ([each.as_const() for each in call.args] for call in calls):
            check_experiment(cell)
            for name in metric:
                check_metric(name)
    except (TemplateSyntaxError, nodes.Impossible) as error:
        raise ValueError(f"no template: {error}") from error
    return text


Template = Annotated[Prose, AfterValidator(check_template)]
"""A text that quotes figures of the records, such as `{{ rps('cpu/cpu-sync') }}`."""


def check_code(code: str) -> str:
    """Return the code unchanged. Raises ValueError."""
    if code not in {each.code for each in list_findings()}:
        raise ValueError(f"{code!r} is not a finding of `study audit`")
    return code


FindingCode = Annotated[str, AfterValidator(check_code)]


@dataclass(frozen=True, slots=True)
class Relation:
    """`left` is `low` to `high` times `right`; `because` is the reason for both bounds. If `right`
    is a number, it has the unit of `left`. `quantity`: what left / right is."""

    sentence: Prose
    left: Annotated[MetricReference, BeforeValidator(parse_reference)]
    right: Annotated[MetricReference | float, BeforeValidator(parse_reference)]
    because: Prose
    low: float = 0.0
    high: float = math.inf
    quantity: str = "ratio"

    @property
    def allowed(self) -> str:
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}" if self.low > 0 else f"at most {self.high:g}"

    @property
    def cells(self) -> tuple[str, ...]:
        right = (self.right.cell,) if isinstance(self.right, MetricReference) else ()
        return (self.left.cell, *right)


@dataclass(frozen=True, slots=True)
class RelationResult:
    """`ratio` is None if one of the figures was not measured. `bound`: ">" if it is a lower bound,
    "<" if it is an upper one."""

    relation: Relation
    ratio: float | None
    bound: Literal["", "<", ">"]
    doubts: tuple[str, ...]
    """Codes of the error verdicts of its cells."""

    @property
    def holds(self) -> bool | None:
        """None if the ratio, or what is known of it, does not decide."""
        if self.ratio is None:
            return None
        least = 0.0 if self.bound == "<" else self.ratio
        most = math.inf if self.bound == ">" else self.ratio
        if self.relation.low <= least and most <= self.relation.high:
            return True
        return False if most < self.relation.low or least > self.relation.high else None

    @property
    def described(self) -> str:
        """The quantity with its value."""
        return f"{self.relation.quantity} {self.value}"

    @property
    def value(self) -> str:
        if self.ratio is None:
            return formats.UNKNOWN
        is_ratio = self.relation.quantity == "ratio"
        found = formats.short_ratio(self.ratio) if is_ratio else f"{self.ratio:.3g}"
        return self.bound + found


def judge_relation(relation: Relation, records: Records) -> RelationResult:
    left, right = (
        records.get_median(each.cell, each.name) if isinstance(each, MetricReference) else each
        for each in (relation.left, relation.right)
    )
    doubts = sorted({code for key in relation.cells for code in records.list_doubts(key)})
    bound = find_bound(relation, records)
    return RelationResult(relation, compute_ratio(left, right), bound, tuple(doubts))


def find_bound(relation: Relation, records: Records) -> Literal["", "<", ">"]:
    """Find which bound the ratio is, if one of its two figures is a lower bound."""
    left, right = (
        isinstance(each, MetricReference) and records.is_bound(each.cell, each.name)
        for each in (relation.left, relation.right)
    )
    return "" if left == right else ">" if left else "<"


def compute_ratio(left: float | None, base: float | None) -> float | None:
    """Return None if one is unknown, or both are 0."""
    if left is None or base is None or left == base == 0:
        return None
    return math.inf if base == 0 else left / base


def render_relation_result(found: RelationResult) -> str:
    sign = {True: "✓", False: "✗", None: "?"}[found.holds]
    line = f"{sign} {found.relation.sentence}"
    if found.ratio is None:
        return f"{line}: not measured"
    line += f": {found.described}, {found.relation.allowed} expected"
    return line + (f" (doubtful: {', '.join(found.doubts)})" if found.doubts else "")


def select_broken(found: Sequence[RelationResult]) -> list[RelationResult]:
    """Select the relations that fail; one that was not measured neither fails nor holds."""
    return [each for each in found if each.holds is False]


@dataclass(frozen=True, slots=True)
class Rule:
    number: int
    name: str
    claim: Prose
    measured: Template
    do: Prose
    relations: tuple[Relation, ...]
    findings: tuple[FindingCode, ...] = ()
    """Codes of `study audit` that find a breach of this rule in the reader's service."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A row: for a kind of work, a delay and a number of users, what to write and why. `users` send
    the next request at once after a response. `waits` and `when`: the loads of `study advise` that
    the row fits, as in advice.toml."""

    work: Template
    delay: Template
    users: Template
    write: Template
    why: Template
    costs: Template
    limits: Template
    look_next: Template
    waits: str = field(default="", kw_only=True)
    when: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def texts(self) -> tuple[Template, ...]:
        return (
            self.work, self.delay, self.users, self.write, self.why, self.costs, self.limits,
            self.look_next,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ThumbRule:
    """A rule of thumb: `measured` compares the formula with the records."""

    name: str
    formula: Prose
    measured: Template
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class DecisionTable:
    thumb_rules: tuple[ThumbRule, ...]
    rows: tuple[Decision, ...]
    relations: tuple[Relation, ...]


@cache
def load_rules() -> tuple[Rule, ...]:
    """Raises UserError."""
    return load_numbered_texts(TEXTS / "rules", Rule, RULE_SECTIONS)


@cache
def load_decision_table() -> DecisionTable:
    """Raises UserError."""
    return load_toml(TEXTS / "decisions.toml", DecisionTable)


def load_checked_rules() -> tuple[Rule, ...]:
    """Load all that `study guide --check` measures: the rules, and the table as one more rule.
    Raises UserError."""
    return (*load_rules(), Rule(0, "table", "The decision table", "", "", list_table_relations()))


def list_table_relations() -> tuple[Relation, ...]:
    """List the relations of the rules of thumb and of the rows."""
    table = load_decision_table()
    return (*(one for each in table.thumb_rules for one in each.relations), *table.relations)
