"""Step functions: how many intervals cover each moment, computed by sorting, without a loop."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from analysis.stats.quantiles import Values


@dataclass(frozen=True, slots=True)
class StepFunction:
    """The value is levels[i] from moments[i] to the next moment, and 0 before the first and from
    the last one on. moments: in order."""

    moments: Values
    levels: Values

    @classmethod
    def count(cls, begin: Values, end: Values) -> Self:
        """Count the intervals at each moment. An end before its begin counts as a length of 0."""
        moments = np.concatenate([begin, np.maximum(begin, end)])
        steps = np.repeat([1.0, -1.0], len(begin))
        order = np.argsort(moments, kind="stable")
        levels = np.cumsum(steps[order])
        if len(levels):
            levels[-1] = 0.0
        return cls(moments[order], levels)

    @classmethod
    def cover(cls, spans: Iterable[tuple[float, float]]) -> "StepFunction":
        """Build the function that is 1 in the union of the spans."""
        begin, end = np.array([*spans], dtype=float).reshape(-1, 2).T
        return cls.count(begin, end).map(is_positive)

    def map(self, change: Callable[[Values], Values]) -> "StepFunction":
        """Apply `change` to the levels; it must keep 0."""
        return StepFunction(self.moments, change(self.levels))

    def combine(
        self, other: "StepFunction", change: Callable[[Values, Values], Values]
    ) -> "StepFunction":
        """Apply `change` to both levels; it must return 0 where both are 0."""
        moments = np.unique(np.concatenate([self.moments, other.moments]))
        return StepFunction(moments, change(self.get_levels(moments), other.get_levels(moments)))

    def get_levels(self, at: Values) -> Values:
        place = np.searchsorted(self.moments, at, side="right") - 1
        padded = np.append(self.levels, 0.0)  # place -1: before the first moment
        found: Values = padded[place]
        return found

    def integrate(self, begin: Values, end: Values) -> Values:
        """Integrate the level over each interval."""
        if not len(self.moments):
            return np.zeros(len(begin))
        areas = np.diff(self.moments) * self.levels[:-1]
        area = np.concatenate([[0.0], np.cumsum(areas)])
        upto = np.interp(np.maximum(begin, end), self.moments, area)
        found: Values = upto - np.interp(begin, self.moments, area)
        return found

    def measure_all(self) -> float:
        return float(np.sum(np.diff(self.moments) * self.levels[:-1]))


def is_positive(levels: Values) -> Values:
    """Map counts to 1 or 0, the union of the counted intervals."""
    return (levels > 0).astype(float)
