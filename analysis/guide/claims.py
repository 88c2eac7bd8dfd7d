"""A sentence that a text says of the figures, in a form that can fail."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis import formats
from analysis.guide.recorded import Records


@dataclass(frozen=True, slots=True)
class Figure:
    """`cell`: experiment and scenario, `fair/sync-http-shared`; `name`: as in summary.json."""

    cell: str
    name: str = "ok_rps"

    def __str__(self) -> str:
        return f"{self.name} of {self.cell}"


@dataclass(frozen=True, slots=True)
class Relation:
    """`left` is `low` to `high` times as much as `right`; `because` is the reason for both bounds.
    Where `right` is a number, it has the unit of `left`."""

    sentence: str
    left: Figure
    right: Figure | float
    low: float
    because: str
    high: float = math.inf

    @property
    def allowed(self) -> str:
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}" if self.low > 0 else f"at most {self.high:g}"

    @property
    def cells(self) -> tuple[str, ...]:
        right = (self.right.cell,) if isinstance(self.right, Figure) else ()
        return (self.left.cell, *right)


@dataclass(frozen=True, slots=True)
class Judged:
    """`ratio` is None where one of the figures was not measured: then nobody knows."""

    relation: Relation
    ratio: float | None
    doubts: tuple[str, ...]
    """Verdicts that are errors, of the cells that it rests on."""

    @property
    def holds(self) -> bool | None:
        if self.ratio is None:
            return None
        return self.relation.low <= self.ratio <= self.relation.high


def judged(relation: Relation, records: Records) -> Judged:
    left = records.value(relation.left.cell, relation.left.name)
    right = relation.right
    base = records.value(right.cell, right.name) if isinstance(right, Figure) else right
    doubts = sorted({code for key in relation.cells for code in records.doubts(key)})
    return Judged(relation, ratio_of(left, base), tuple(doubts))


def ratio_of(left: float | None, base: float | None) -> float | None:
    """None where one is unknown, or both are 0."""
    if left is None or base is None or left == base == 0:
        return None
    return math.inf if base == 0 else left / base


def judged_line(found: Judged) -> str:
    sign = {True: "✓", False: "✗", None: "?"}[found.holds]
    line = f"{sign} {found.relation.sentence}"
    if found.ratio is None:
        return f"{line}: not measured"
    line += f": {formats.times(found.ratio)} times, {found.relation.allowed} expected"
    return line + (f" (doubtful: {', '.join(found.doubts)})" if found.doubts else "")


def all_hold(found: Sequence[Judged]) -> bool:
    """What nobody measured does not hold either."""
    return all(each.holds is True for each in found)
