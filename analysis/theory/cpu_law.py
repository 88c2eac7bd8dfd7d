"""The CPU of one request as a function of how many are in flight, fitted to a calibration.

    cpu(n) = alone + company · (1 - 1/n) + each · (n - 1)

`company` is what it costs that there are others at all: threads that contend for the interpreter,
caches that they share. It is below zero where a loop that finds several events at once has less to
do for each. `each` is what grows with every other request: a pool that is walked through.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import lsq_linear

from records.prediction import CpuSample
from scenarios.units import Second

MACHINE_SHARE = 0.03
"""Two identical servers of one machine differ by 1 to 3 % in what they use."""
LEAST_SHARE = 0.2
"""Of what one request costs alone: company makes none cheaper than that."""
CONFIDENCE = 0.95
Weights = tuple[float, float, float]
NO_SPREAD = ((0.0, 0.0, 0.0),) * 3


@dataclass(frozen=True, slots=True)
class CpuLaw:
    """Times are of one request, on a core of its own, but for `factor`, which multiplies all.

    most: in flight at a time; more wait outside, at no cost.
    largest: in flight when it was measured.
    spread: of (alone, company, each), so that w · spread · w is the square of the half width of
      the confidence interval of cpu(n), with n's weights w; all 0 where the law is given.
    deviation: from the middle of that interval, in half widths: -1 is its lower end.
    """

    alone_s: Second
    company_s: Second = 0.0
    each_s: Second = 0.0
    most: float = math.inf
    largest: float = 1.0
    spread: tuple[Weights, Weights, Weights] = NO_SPREAD
    deviation: float = 0.0
    factor: float = 1.0

    def compute_cpu_s(self, in_flight: float) -> Second:
        weights = weigh(min(in_flight, self.most))
        middle_s = multiply(weights, (self.alone_s, self.company_s, self.each_s))
        if self.deviation:
            least_s = LEAST_SHARE * self.alone_s
            middle_s = max(least_s, middle_s + self.deviation * self.compute_half_width_s(weights))
        return self.factor * middle_s

    def compute_half_width_s(self, weights: Weights) -> Second:
        """Of what is between the calibration and the run too: the machine."""
        middle_s = multiply(weights, (self.alone_s, self.company_s, self.each_s))
        fitted = multiply(weights, [multiply(weights, row) for row in self.spread])
        return math.hypot(math.sqrt(max(0.0, fitted)), MACHINE_SHARE * middle_s)

    def is_extrapolated(self, in_flight: float) -> bool:
        return min(in_flight, self.most) > self.largest

    def deviate(self, half_widths: float) -> "CpuLaw":
        return replace(self, deviation=half_widths)

    def multiply_by(self, factor: float) -> "CpuLaw":
        return replace(self, factor=self.factor * factor)


def weigh(in_flight: float) -> Weights:
    several = max(1.0, in_flight)
    return 1.0, 1 - 1 / several, several - 1


def multiply(weights: Weights, by: Sequence[float]) -> float:
    return sum(weight * each for weight, each in zip(weights, by, strict=True))


def fit_cpu_law(samples: Sequence[CpuSample], most: float) -> CpuLaw:
    """By least squares; as many of the three terms as the levels can tell apart: with two of them
    all growth is taken for that of company. Raises ValueError without samples."""
    levels = {min(each.in_flight, most) for each in samples}
    terms = min(len(levels), 3)
    rows = np.array([weigh(min(each.in_flight, most))[:terms] for each in samples])
    costs_s = np.array([each.cpu_s for each in samples])
    if not costs_s.size:
        raise ValueError("a law of CPU needs samples")
    alone_s = float(costs_s[rows[:, 1:].sum(axis=1) == 0].mean())
    lowest = [0.0, (LEAST_SHARE - 1) * alone_s, 0.0][:terms]
    found = lsq_linear(rows, costs_s, (lowest, np.inf), method="bvls").x
    freedom = costs_s.size - terms
    spread = np.zeros((3, 3))
    if freedom > 0:
        variance = ((costs_s - rows @ found) ** 2).sum() / freedom
        width = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
        spread[:terms, :terms] = width**2 * variance * np.linalg.inv(rows.T @ rows)
    cpu_s, company_s, each_s = [*map(float, found), 0.0, 0.0][:3]
    if terms == 2:  # all growth may as well be that of each
        spread[2, 2] = (company_s / max(levels)) ** 2
    rows_of_spread = [(float(a), float(b), float(c)) for a, b, c in spread]
    alone, company, each = rows_of_spread
    return CpuLaw(cpu_s, company_s, each_s, most, max(levels), (alone, company, each))
