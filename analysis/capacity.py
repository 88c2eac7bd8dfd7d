"""How much can it serve? A bounded step search for the knee of an open loop, and what it found.

A step offers one rate for a while. The knee lies between the highest rate that was sustained and
the lowest that was not; the search halves that interval, by ratio, until it is narrow enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from analysis import formats
from analysis.summary import CellSummary

PRECISION = 0.05
WIDEN = 1.3
"""Until the knee lies between two steps, the next one is so much higher or lower."""
BEARABLE_FAILURES = 0.01
SHARES = (0.5, 0.7, 0.9)
NEAR = 0.02
"""A cell at this distance from a share of the knee stands for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """sustained: None where the generator could not keep up, and the step tells nothing."""

    rate: float
    sustained: bool | None


@dataclass(frozen=True, slots=True)
class Knee:
    """Requests a second: the highest rate sustained and the lowest that was not. None where no
    step showed it. generator_limit: a rate that the generator could not offer."""

    sustained_rps: float | None
    overloaded_rps: float | None
    generator_limit: float | None
    steps: int

    @property
    def is_narrow(self) -> bool:
        low, high = self.sustained_rps, self.overloaded_rps
        return low is not None and high is not None and high / low <= 1 + PRECISION


def knee(steps: Sequence[Step]) -> Knee:
    """A rate counts as sustained only below all that were not: a lucky step is not believed."""
    overloaded = min((each.rate for each in steps if each.sustained is False), default=None)
    sustained = [
        each.rate
        for each in steps
        if each.sustained and (overloaded is None or each.rate < overloaded)
    ]
    untold = min((each.rate for each in steps if each.sustained is None), default=None)
    return Knee(max(sustained, default=None), overloaded, untold, len(steps))


def next_rate(steps: Sequence[Step], first: float, most_steps: int) -> float | None:
    """None when the knee is known well enough, or will not be in the steps that are left."""
    found = knee(steps)
    low, high = found.sustained_rps, found.overloaded_rps or found.generator_limit
    if not steps:
        return first
    if len(steps) >= most_steps or found.is_narrow:
        return None
    if low is None:
        return None if high is None else high / WIDEN
    if high is None:
        return low * WIDEN
    return sqrt(low * high) if high / low > 1 + PRECISION else None


def step_of(cell: CellSummary) -> Step:
    """Of a cell with an open loop. Failing quickly is not serving."""
    loop = cell.open_loop
    assert loop is not None
    codes = {verdict.code for verdict in cell.verdicts}
    if "GENERATOR_SATURATED" in codes:
        return Step(loop.arrival_rate, None)
    failing = (cell.failure_ratio or 0.0) > BEARABLE_FAILURES
    return Step(loop.arrival_rate, not loop.overloaded and not failing and cell.requests > 0)


def open_cells(cells: Sequence[CellSummary]) -> list[CellSummary]:
    return [cell for cell in cells if cell.open_loop is not None and cell.interrupted is None]


def knee_of(cells: Sequence[CellSummary]) -> Knee:
    return knee([step_of(cell) for cell in open_cells(cells)])


def capacity_lines(cells: Sequence[CellSummary]) -> list[str]:
    """The knee with its interval, then the latencies at shares of it; none without open loops."""
    tried = open_cells(cells)
    if not tried:
        return []
    found = knee_of(tried)
    if found.sustained_rps is None:
        return [knee_line(found)]
    lines = [
        knee_line(found),
        f"  {'load':>6} {'offered rps':>12} {'median ms':>10} {'p99 ms':>10}",
    ]
    for share in SHARES:
        cell = nearest(tried, share * found.sustained_rps)
        if cell is not None and cell.open_loop is not None:
            lines.append(
                f"  {100 * share:>4.0f} % {formats.rate(cell.open_loop.offered_rps):>12} "
                f"{formats.milliseconds(cell.median_ms):>10} "
                f"{formats.milliseconds(cell.p99_ms):>10}"
            )
    return lines


def nearest(cells: Sequence[CellSummary], rate: float) -> CellSummary | None:
    def distance(cell: CellSummary) -> float:
        return abs(cell.open_loop.arrival_rate / rate - 1) if cell.open_loop else 1.0

    found = min(cells, key=distance)
    return found if distance(found) <= NEAR else None


def knee_line(found: Knee) -> str:
    low, high = formats.rate(found.sustained_rps), formats.rate(found.overloaded_rps)
    if found.sustained_rps is None:
        return f"capacity: below {high} rps; no rate that was tried is sustained"
    if found.overloaded_rps is not None:
        wide = "" if found.is_narrow else "; more --steps would narrow it"
        return f"capacity: between {low} and {high} rps ({found.steps} steps{wide})"
    if found.generator_limit is not None:
        limit = formats.rate(found.generator_limit)
        return f"capacity: at least {low} rps; the generator can't offer {limit} (--load-processes)"
    return f"capacity: at least {low} rps ({found.steps} steps; more --steps would go further)"
