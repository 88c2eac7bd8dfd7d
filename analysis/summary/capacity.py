"""The capacity search: a bounded step search for the knee of an open loop, and its cells.

A step offers one rate for a while. The knee lies between the highest rate that was sustained and
the lowest that was not; the search halves that interval, by ratio, until it is narrow enough.
Most cells are steps of the search. The others, recognised by name, only measure latency at shares
of the knee.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from analysis.summary.model import CellSummary

PRECISION = 0.05
WIDEN = 1.3
"""Factor between steps until the knee lies between two of them."""
BLUR = 0.02
"""The verdict OVERLOADED lets a backlog grow by this share of the offered rate, so a rate this
little above the capacity counts as sustained."""
BEARABLE_FAILURES = 0.01
SENT = 0.98
"""Share of the due requests: a generator that sends less was the limit."""
SHARES = (0.5, 0.7, 0.9)
NEAR = 0.02
"""A cell represents a share of the knee up to this relative distance."""
SHARE_ENDING = "-percent"


@dataclass(frozen=True, slots=True)
class SearchStep:
    """sustained: None where the generator could not keep up, so that the step shows nothing.

    served_rps: successful responses per second of an overloaded server, its maximum; None where it
    was not overloaded, and where requests failed (a server that rejects requests could serve more
    at a lower rate).
    """

    rate: float
    sustained: bool | None
    served_rps: float | None = None


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest rate that was sustained and the lowest that was not, in requests per second; None
    where no step showed it. generator_limit: a rate that the generator could not offer.

    A window is short, so a rate above the capacity sometimes counts as sustained. Therefore
    `sustained_rps` is at most what an overloaded step served. Of several such steps, the one that
    served the most counts, since too much load can cost throughput.
    """

    sustained_rps: float | None
    overloaded_rps: float | None
    generator_limit: float | None
    steps: int = 0
    is_narrow: bool = False


def are_near(low: float, high: float) -> bool:
    return high / low <= 1 + PRECISION


def find_knee(steps: Sequence[SearchStep]) -> Knee:
    judged = select_final_steps(steps)
    found = bracket_knee(judged)
    served = [each.served_rps for each in judged if each.served_rps is not None]
    if found.sustained_rps is not None and served:
        found = replace(found, sustained_rps=min(found.sustained_rps, max(served)))
    return replace(found, steps=len(steps))


def select_final_steps(steps: Sequence[SearchStep]) -> list[SearchStep]:
    """Select one step for each rate. A repeated rate's second result counts, if it has one: the
    first contradicted other steps."""
    found: dict[float, SearchStep] = {}
    for each in steps:
        if each.sustained is not None or each.rate not in found:
            found[each.rate] = each
    return list(found.values())


def bracket_knee(judged: Sequence[SearchStep]) -> Knee:
    """Bracket the knee by the verdicts alone. A rate counts as sustained only below all that
    failed, to discard a lucky step. The generator's limit is the lowest rate above it that was not
    offered."""
    failed = min((each.rate for each in judged if each.sustained is False), default=None)
    passed = max(
        (each.rate for each in judged if each.sustained and (failed is None or each.rate < failed)),
        default=None,
    )
    not_offered = min(
        (each.rate for each in judged if each.sustained is None and each.rate > (passed or 0.0)),
        default=None,
    )
    is_narrow = passed is not None and failed is not None and are_near(passed, failed)
    return Knee(passed, failed, not_offered, is_narrow=is_narrow)


def choose_next_rate(steps: Sequence[SearchStep], first: float, most_steps: int) -> float | None:
    """Return None when the knee is known precisely enough, or no steps are left."""
    if not steps:
        return first
    if len(steps) >= most_steps:
        return None
    return bisect_rate(bracket_knee(select_final_steps(steps))) or choose_retry_rate(steps)


def bisect_rate(found: Knee) -> float | None:
    """Return the next rate towards the knee; None where the interval is narrow enough."""
    passed = found.sustained_rps
    upper = min(filter(None, (found.overloaded_rps, found.generator_limit)), default=None)
    if upper is None:
        return None if passed is None else passed * WIDEN
    if passed is None:
        return upper / WIDEN
    return None if are_near(passed, upper) else sqrt(passed * upper)


def choose_retry_rate(steps: Sequence[SearchStep]) -> float | None:
    """Choose a rate that contradicts another and was tried only once; None if all agree."""
    judged = select_final_steps(steps)
    highest_passed = max((each.rate for each in judged if each.sustained), default=None)
    lowest_failed = bracket_knee(judged).overloaded_rps
    suspects: list[float] = []
    if highest_passed and lowest_failed and highest_passed > lowest_failed:
        suspects += [highest_passed, lowest_failed]
    rate_of = {each.served_rps: each.rate for each in reversed(judged) if each.served_rps}
    if rate_of and lowest_failed:
        most_rps = max(rate_of)
        if highest_passed and highest_passed > most_rps * (1 + BLUR):
            suspects += [highest_passed, rate_of[most_rps]]
        if lowest_failed * (1 + BLUR) < most_rps:
            suspects.append(lowest_failed)
    tried = [each.rate for each in steps]
    return next((rate for rate in suspects if tried.count(rate) == 1), None)


def name_step(scenario: str, rate: float) -> str:
    return f"{scenario}-at-{rate:g}"


def name_share_cell(scenario: str, share: float) -> str:
    """Name a cell that only measures latency below the knee and is not a step of the search."""
    return f"{scenario}-at-{100 * share:g}{SHARE_ENDING}"


def build_search_step(cell: CellSummary) -> SearchStep:
    """Build the step of an open-loop cell. Many failures mean that its rate is not sustained."""
    loop = cell.open_loop
    assert loop is not None
    if is_generator_limited(cell):
        return SearchStep(loop.arrival_rate, None)
    failing = (cell.failure_ratio or 0.0) > BEARABLE_FAILURES
    if loop.overloaded and not failing:
        return SearchStep(loop.arrival_rate, False, loop.sustained_rps or None)
    return SearchStep(loop.arrival_rate, not failing and not loop.overloaded and cell.requests > 0)


def is_generator_limited(cell: CellSummary) -> bool:
    """Return True also if the generator had requests left to send at the stop, which no record
    shows. A window may miss one constant arrival; the number of random arrivals varies anyway."""
    loop = cell.open_loop
    if loop is None or any(each.code == "GENERATOR_SATURATED" for each in cell.verdicts):
        return True
    if loop.arrivals != "constant" or not cell.duration_s:
        return False
    return loop.offered_rps + 1 / cell.duration_s < SENT * loop.arrival_rate


def is_any_interrupted(cells: Sequence[CellSummary]) -> bool:
    return any(cell.open_loop is not None and cell.interrupted is not None for cell in cells)


def select_open_cells(cells: Sequence[CellSummary]) -> list[CellSummary]:
    return [cell for cell in cells if cell.open_loop is not None and cell.interrupted is None]


def build_search_steps(cells: Sequence[CellSummary]) -> list[SearchStep]:
    """Build the steps; a repeated rate's steps stay in the order in which they ran."""
    return [
        build_search_step(cell)
        for cell in select_open_cells(cells)
        if not cell.scenario.endswith(SHARE_ENDING)
    ]


def compute_knee(cells: Sequence[CellSummary]) -> Knee:
    return find_knee(build_search_steps(cells))


def select_share_cells(cells: Sequence[CellSummary]) -> list[tuple[float, CellSummary]] | None:
    """Pair shares of the knee with the cells that represent them; None without a sustained rate."""
    tried = select_open_cells(cells)
    knee = compute_knee(tried)
    if knee.sustained_rps is None:
        return None
    found = [(share, find_nearest_cell(tried, share * knee.sustained_rps)) for share in SHARES]
    return [(share, cell) for share, cell in found if cell is not None]


def find_nearest_cell(cells: Sequence[CellSummary], rate: float) -> CellSummary | None:
    """Find the cell nearest to a rate: the second one, if the rate was tried twice."""

    def distance(cell: CellSummary) -> float:
        return abs(cell.open_loop.arrival_rate / rate - 1) if cell.open_loop else 1.0

    found = min(reversed(cells), key=distance)
    return found if distance(found) <= NEAR else None
