"""Which cell is best in a metric, as far as its figure says something of the service."""

from collections.abc import Mapping, Sequence
from typing import Literal

from analysis.metrics import Metric, get_value
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_many_failures, has_starved_users, is_overloaded

Mark = Literal["best", "worst"]
APART = 1.05
"""Of two values nearer than this, none is the better one."""


def get_comparable_value(cell: CellSummary, metric: Metric) -> float | None:
    """None where there is no comparing: what survivors waited is no latency of the service, nor
    is what grows with the length of a test, or how quickly requests fail; and the throughput of
    an open loop is what was offered."""
    offered = metric.key == "ok_rps" and cell.open_loop is not None
    if metric.better is None or cell.interrupted or offered:
        return None
    doubted = has_many_failures(cell) or has_starved_users(cell) or is_overloaded(cell)
    return None if metric.is_latency and doubted else get_value(cell, metric.key)


def mark_extremes(cells: Sequence[CellSummary], metric: Metric) -> Mapping[int, Mark]:
    """By the cell's place. Those within 5 % of the best are all best; nothing is marked where all
    are alike."""
    values = {place: get_comparable_value(cell, metric) for place, cell in enumerate(cells)}
    known = {place: each for place, each in values.items() if each is not None}
    if len(known) < 2:
        return {}
    low, high = min(known.values()), max(known.values())
    if high <= low * APART:
        return {}
    best, worst = (high, low) if metric.better == "higher" else (low, high)
    found: dict[int, Mark] = {}
    for place, each in known.items():
        if are_alike(each, best):
            found[place] = "best"
        elif are_alike(each, worst):
            found[place] = "worst"
    return found


def are_alike(one: float, other: float) -> bool:
    return max(one, other) <= APART * min(one, other)
