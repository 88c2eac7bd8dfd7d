"""How much can it serve? The cells of a search for the knee, and what they say of it.

Most are steps of the search. Some look at the latencies at shares of the knee and decide nothing;
their names tell which.
"""

from collections.abc import Sequence

from analysis.stats import formats
from analysis.stats.knee_search import Knee, SearchStep, find_knee
from analysis.summary.model import CellSummary

BEARABLE_FAILURES = 0.01
SENT = 0.98
"""Of what was due: a generator that sends less was the limit itself."""
SHARES = (0.5, 0.7, 0.9)
NEAR = 0.02
"""A cell at this distance from a share of the knee stands for it."""
SHARE_ENDING = "-percent"
CUT_SHORT = "  the search was cut short: the steps before tell so much and no more"


def name_step(scenario: str, rate: float) -> str:
    return f"{scenario}-at-{rate:g}"


def name_share_cell(scenario: str, share: float) -> str:
    """Of a cell that only looks at latencies below the knee, and is no step of the search."""
    return f"{scenario}-at-{100 * share:g}{SHARE_ENDING}"


def build_search_step(cell: CellSummary) -> SearchStep:
    """Of a cell with an open loop. Failing quickly is not serving."""
    loop = cell.open_loop
    assert loop is not None
    if is_generator_limited(cell):
        return SearchStep(loop.arrival_rate, None)
    failing = (cell.failure_ratio or 0.0) > BEARABLE_FAILURES
    if loop.overloaded and not failing:
        return SearchStep(loop.arrival_rate, False, loop.sustained_rps or None)
    return SearchStep(loop.arrival_rate, not failing and not loop.overloaded and cell.requests > 0)


def is_generator_limited(cell: CellSummary) -> bool:
    """Also where it still had requests to send at the stop, which no record knows of. Of constant
    arrivals one more or less is due in a window; the number of random ones varies by itself."""
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
    """In the order in which they ran, as far as a rate was tried again."""
    return [
        build_search_step(cell)
        for cell in select_open_cells(cells)
        if not cell.scenario.endswith(SHARE_ENDING)
    ]


def compute_knee(cells: Sequence[CellSummary]) -> Knee:
    return find_knee(build_search_steps(cells))


def render_capacity_lines(cells: Sequence[CellSummary]) -> list[str]:
    """The knee with its interval, then the latencies at shares of it; none without open loops."""
    tried = select_open_cells(cells)
    if not tried:
        return []
    found = compute_knee(tried)
    told = [render_knee_line(found), *([CUT_SHORT] if is_any_interrupted(cells) else [])]
    if found.sustained_rps is None:
        return told
    arrivals = {cell.open_loop.arrivals for cell in tried if cell.open_loop}
    heading = f"  {'load':>6} {'offered rps':>12} {'median ms':>10} {'p99 ms':>10}"
    lines = [*told, f"{heading}   {', '.join(sorted(arrivals))} arrivals"]
    for share in SHARES:
        cell = find_nearest_cell(tried, share * found.sustained_rps)
        if cell is not None:
            lines.append(render_share_line(share, cell))
    return lines


def render_share_line(share: float, cell: CellSummary) -> str:
    """The latencies in brackets where the rate was not sustained."""
    loop = cell.open_loop
    assert loop is not None
    latency = formats.milliseconds if build_search_step(cell).sustained else formats.bracketed
    return (
        f"  {100 * share:>4.0f} % {formats.rate(loop.offered_rps):>12} "
        f"{latency(cell.median_ms):>10} {latency(cell.p99_ms):>10}"
    )


def find_nearest_cell(cells: Sequence[CellSummary], rate: float) -> CellSummary | None:
    """Of a rate that was tried twice the second."""

    def distance(cell: CellSummary) -> float:
        return abs(cell.open_loop.arrival_rate / rate - 1) if cell.open_loop else 1.0

    found = min(reversed(cells), key=distance)
    return found if distance(found) <= NEAR else None


def render_knee_line(found: Knee) -> str:
    low, high = formats.rate(found.sustained_rps), formats.rate(found.overloaded_rps)
    limit = formats.rate(found.generator_limit)
    if found.sustained_rps is None:
        if found.overloaded_rps is None:
            return f"capacity: unknown; the generator can't offer {limit} rps (--load-processes)"
        return f"capacity: below {high} rps; no rate that was tried is sustained"
    if found.overloaded_rps is not None:
        why = explain_wide_interval(found)
        return f"capacity: between {low} and {high} rps ({found.steps} steps{why})"
    if found.generator_limit is not None:
        return f"capacity: at least {low} rps; to offer {limit}, use more --load-processes"
    return f"capacity: at least {low} rps ({found.steps} steps; more of them would go further)"


def explain_wide_interval(found: Knee) -> str:
    """Of an interval with two ends."""
    high, limit = found.overloaded_rps, found.generator_limit
    if found.is_narrow or high is None:
        return ""
    if limit is not None and limit < high:
        return f"; the generator can't offer {formats.rate(limit)}"
    return "; more --steps would narrow it"
