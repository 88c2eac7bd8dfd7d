"""How much can it serve? The cells of a search for the knee, and what they say of it.

Most are steps of the search. Some look at the latencies at shares of the knee and decide nothing;
their names tell which.
"""

from collections.abc import Sequence

from analysis.stats.knee_search import Knee, SearchStep, find_knee
from analysis.summary.model import CellSummary

BEARABLE_FAILURES = 0.01
SENT = 0.98
"""Of what was due: a generator that sends less was the limit itself."""
SHARES = (0.5, 0.7, 0.9)
NEAR = 0.02
"""A cell at this distance from a share of the knee stands for it."""
SHARE_ENDING = "-percent"


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


def select_share_cells(cells: Sequence[CellSummary]) -> list[tuple[float, CellSummary]] | None:
    """Each share of the knee with the cell that stands for it, where one does; None where no rate
    was sustained."""
    tried = select_open_cells(cells)
    knee = compute_knee(tried)
    if knee.sustained_rps is None:
        return None
    found = [(share, find_nearest_cell(tried, share * knee.sustained_rps)) for share in SHARES]
    return [(share, cell) for share, cell in found if cell is not None]


def find_nearest_cell(cells: Sequence[CellSummary], rate: float) -> CellSummary | None:
    """Of a rate that was tried twice the second."""

    def distance(cell: CellSummary) -> float:
        return abs(cell.open_loop.arrival_rate / rate - 1) if cell.open_loop else 1.0

    found = min(reversed(cells), key=distance)
    return found if distance(found) <= NEAR else None
