"""CPU per request as a function of the requests in flight, fitted to a calibration.

    cpu(n) = alone + company · (1 - 1/m) + each · (m - 1) + waiting · (1 - m/n)

Of the n requests in flight, m are inside the thread pool; without a pool, m = n. `company` is the
cost of any concurrency: threads contend for the interpreter and share caches. It is negative where
a loop handles several events at once with less work for each. `each` grows with every other
request, as in a linear search of a connection pool. `waiting` is the cost of waiting for a thread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import lsq_linear

from records.prediction import CpuSample
from scenarios.units import Second

MACHINE_SHARE = 0.03
"""The CPU of two identical servers on one machine differs by 1 to 3 %."""
LEAST_SHARE = 0.2
"""Share of the CPU alone: concurrency makes no request cheaper than that."""
CONFIDENCE = 0.95
OPEN_GROWTH = 1.0
"""Uncertainty of the growth beyond the largest level: it may stop there, or double. Calibrated with
20 in flight and measured with 100, urllib3 grew no further where the law adds 1.3 ms, and the pool
of httpx by 8.7 ms where the law adds 13."""
OPEN_COMPANY = 0.5
"""Share of the CPU alone by which company may change it, up or down, if none was calibrated:
sync-json took a quarter more with 100 in flight, users-async-psycopg a third less with ten."""
Weights = tuple[float, float, float, float]
"""Weights of alone, company, each and waiting."""
NO_SPREAD = ((0.0, 0.0, 0.0, 0.0),) * 4
ALONE, COMPANY, EACH, WAITING = range(4)


@dataclass(frozen=True, slots=True)
class CpuLaw:
    """Times are CPU per request.

    most: threads; further requests wait for one.
    largest: the largest measured number in flight.
    spread: w · spread · w is the square of the half width of cpu(n)'s confidence interval, for n's
      weights w; all 0 where the law is given.
    open_each_s: how far `each` may exceed the fit, where too few levels were measured to separate
      it from company.
    deviation: from the middle of that interval, in half widths: -1 is its lower end.
    parallel: cores that one worker's threads used at the same time during calibration, at least 1:
      code that releases the GIL uses several.
    crowding: busy workers per core, as a busy worker finds them.
    """

    alone_s: Second
    company_s: Second = 0.0
    each_s: Second = 0.0
    waiting_s: Second = 0.0
    most: float = math.inf
    largest: float = 1.0
    spread: tuple[Weights, ...] = NO_SPREAD
    open_each_s: Second = 0.0
    deviation: float = 0.0
    parallel: float = 1.0
    crowding: float = 0.0

    def compute_cpu_s(self, in_flight: float) -> Second:
        middle_s = self.compute_middle_s(in_flight)
        if not self.deviation:
            return middle_s
        deviating_s = middle_s + self.deviation * self.compute_half_width_s(in_flight)
        return max(LEAST_SHARE * self.alone_s, deviating_s)

    def compute_middle_s(self, in_flight: float) -> Second:
        law = (self.alone_s, self.company_s, self.each_s, self.waiting_s)
        return multiply(weigh(in_flight, self.most), law)

    def compute_interpreter_s(self, in_flight: float) -> Second:
        """Compute how long a request occupies the interpreter, in wall-clock time."""
        at_once = min(self.parallel, max(1.0, in_flight))
        return max(self.crowding, 1 / at_once) * self.compute_cpu_s(in_flight)

    def compute_half_width_s(self, in_flight: float) -> Second:
        """Compute the half width, including differences between calibration and run: the machine,
        and further growth. The upper half is wider by the terms left open."""
        weights, middle_s = weigh(in_flight, self.most), self.compute_middle_s(in_flight)
        fitted = multiply(weights, [multiply(weights, row) for row in self.spread])
        growth_s = middle_s - self.compute_middle_s(min(in_flight, self.largest))
        left_open_s = self.open_each_s * weights[EACH] if self.deviation > 0 else 0.0
        if self.deviation > 0 and in_flight > self.largest:
            left_open_s += self.waiting_s  # 0.78 ms with 100 for 40 threads, 0.87 with 300
        return math.hypot(
            math.sqrt(max(0.0, fitted)),
            MACHINE_SHARE * middle_s,
            OPEN_GROWTH * growth_s,
            left_open_s,
        )

    def is_extrapolated(self, in_flight: float) -> bool:
        return min(in_flight, self.most) > self.largest

    def deviate(self, half_widths: float) -> "CpuLaw":
        return replace(self, deviation=half_widths)

    def crowd(self, busy_per_core: float) -> "CpuLaw":
        return replace(self, crowding=busy_per_core)


def weigh(in_flight: float, most: float) -> Weights:
    several = max(1.0, in_flight)
    inside = min(several, most)
    return 1.0, 1 - 1 / inside, inside - 1, 1 - inside / several


def multiply(weights: Weights, by: Sequence[float]) -> float:
    return sum(weight * each for weight, each in zip(weights, by, strict=True))


def fit_cpu_law(samples: Sequence[CpuSample], most: float) -> CpuLaw:
    """Fit by least squares as many terms as the levels can separate: with two levels, all growth
    counts as company, and with one, company is unknown. Raises ValueError without samples."""
    if not samples:
        raise ValueError("fitting the CPU model needs samples")
    rows = np.array([weigh(each.in_flight, most) for each in samples])
    costs_s = np.array([each.cpu_s for each in samples])
    terms = select_terms(rows)
    lone_s = float(costs_s[rows[:, COMPANY] == 0].mean())
    lowest = [0.0, (LEAST_SHARE - 1) * lone_s, 0.0, 0.0]
    chosen, freedom = rows[:, terms], costs_s.size - len(terms)
    found = lsq_linear(chosen, costs_s, (np.take(lowest, terms), np.inf), method="bvls").x
    law, spread = np.zeros(4), np.zeros((4, 4))
    law[terms] = found
    if freedom > 0:
        variance = ((costs_s - chosen @ found) ** 2).sum() / freedom
        width = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
        of_samples = width**2 * variance * np.linalg.inv(chosen.T @ chosen)
        spread[np.ix_(terms, terms)] = of_samples + spread_servers(chosen, costs_s)
    if len(terms) == 1:
        spread[COMPANY, COMPANY] = (OPEN_COMPANY * lone_s) ** 2
    largest = max(each.in_flight for each in samples)
    # with two levels, the whole difference may come from `each`, which continues to grow
    open_each_s = abs(float(law[COMPANY])) / largest if len(terms) == 2 else 0.0
    alone, company, each, waiting = map(float, law)
    return CpuLaw(
        alone, company, each, waiting, most, largest,
        tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in spread),
        open_each_s=open_each_s, parallel=count_parallel_cores(samples, largest),
    )  # fmt: skip


def spread_servers(
    rows: npt.NDArray[np.float64], costs_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Compute the terms' spread that comes from measuring each level at another server."""
    fit = np.linalg.pinv(rows)
    levels = np.unique(rows, axis=0)
    moved = [
        fit @ np.where((rows == level).all(axis=1), MACHINE_SHARE * costs_s, 0.0)
        for level in levels
    ]
    return sum((np.outer(each, each) for each in moved), np.zeros((rows.shape[1],) * 2))


def select_terms(rows: npt.NDArray[np.float64]) -> list[int]:
    """Select the terms that the levels can separate, the likeliest first."""
    chosen = [ALONE]
    for term in (COMPANY, WAITING, EACH):
        if np.linalg.matrix_rank(rows[:, [*chosen, term]]) > len(chosen):
            chosen.append(term)
    return sorted(chosen)


def count_parallel_cores(samples: Sequence[CpuSample], largest: int) -> float:
    """Count them at the level nearest to the run; at least 1, as it may not fill a core."""
    level = [each for each in samples if each.in_flight == largest]
    used_s = sum(each.requests * each.cpu_s for each in level)
    return max(1.0, used_s / sum(each.lasting_s for each in level))
