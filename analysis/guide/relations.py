"""Relations: sentences in a form that can fail, in the records and wherever `study guide --check`
measures again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator

from analysis.guide.recorded import Records, load_experiments
from analysis.guide.text_files import Prose, check_metric
from analysis.stats import formats

Bound = Literal["", "<", ">", "~"]
"""What a ratio is: exact, an upper bound, a lower bound, or unknown in both directions."""


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
    """`ratio` is None if one of the figures was not measured."""

    relation: Relation
    ratio: float | None
    bound: Bound
    doubts: tuple[str, ...]
    """Codes of the error verdicts of its cells."""

    @property
    def holds(self) -> bool | None:
        """None if the ratio, or what is known of it, does not decide."""
        if self.ratio is None:
            return None
        least = self.ratio if self.bound in ("", ">") else 0.0
        most = self.ratio if self.bound in ("", "<") else math.inf
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


def find_bound(relation: Relation, records: Records) -> Bound:
    """Find which bound the ratio is, if one of its two figures is a lower bound, or both."""
    left, right = (
        isinstance(each, MetricReference) and records.is_bound(each.cell, each.name)
        for each in (relation.left, relation.right)
    )
    if left:
        return "~" if right else ">"
    return "<" if right else ""


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
