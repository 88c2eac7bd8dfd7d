"""What a search for the capacity found: the knee in a sentence, latencies at shares of it."""

from collections.abc import Sequence

from analysis.report.render import render_terminal
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.stats.knee_search import Knee
from analysis.summary.capacity import (
    build_search_step,
    compute_knee,
    is_any_interrupted,
    select_open_cells,
    select_share_cells,
)
from analysis.summary.model import CellSummary

CUT_SHORT = "  the search was cut short: the steps before tell so much and no more"


def render_capacity(cells: Sequence[CellSummary]) -> list[str]:
    shares = build_shares_table(cells)
    return describe_capacity(cells) + ([] if shares is None else render_terminal(shares))


def describe_capacity(cells: Sequence[CellSummary]) -> list[str]:
    """The knee with its interval; nothing without open loops."""
    tried = select_open_cells(cells)
    if not tried:
        return []
    return [describe_knee(compute_knee(tried)), *([CUT_SHORT] if is_any_interrupted(cells) else [])]


def build_shares_table(cells: Sequence[CellSummary]) -> Table | None:
    """The latencies at shares of the knee; None where no rate was sustained."""
    found = select_share_cells(cells)
    if found is None:
        return None
    arrivals = {cell.open_loop.arrivals for cell in select_open_cells(cells) if cell.open_loop}
    columns = (
        Column("load"),
        Column("offered rps", format=formats.rate),
        Column("median ms"),
        Column("p99 ms"),
        Column(f"{', '.join(sorted(arrivals))} arrivals", is_text=True),
    )
    return Table(columns, [build_share_row(*each) for each in found])


def build_share_row(share: float, cell: CellSummary) -> Row:
    """The latencies in brackets where the rate was not sustained."""
    latency = (
        formats.milliseconds if build_search_step(cell).sustained else formats.bracket_milliseconds
    )
    offered = cell.open_loop.offered_rps if cell.open_loop else None
    return Row(f"{100 * share:.0f} %", [offered, latency(cell.median_ms), latency(cell.p99_ms), ""])


def describe_knee(found: Knee) -> str:
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
