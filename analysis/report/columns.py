"""The columns of the report's table, and which cell is best or worst in each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.report.tables import (
    format_latency,
    format_median,
)
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_many_failures, has_starved_users

Better = Literal["higher", "lower"]
Mark = Literal["best", "worst"]
APART = 1.05
"""Beside a value this near, none is the best."""


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """key: its name in summary.json. theory: what was predicted of it, as text."""

    key: str
    heading: str
    unit: str
    text: Callable[[CellSummary], str]
    better: Better | None = None
    is_latency: bool = False
    theory: Callable[[CellSummary], str] | None = None


def format_predicted_rate(cell: CellSummary) -> str:
    return formats.rate(cell.predicted.ok_rps) if cell.predicted else ""


def format_predicted_median(cell: CellSummary) -> str:
    return formats.milliseconds(cell.predicted.median_ms) if cell.predicted else ""


def format_predicted_p99(cell: CellSummary) -> str:
    return formats.milliseconds(cell.predicted.p99_ms) if cell.predicted else ""


def format_limit(cell: CellSummary) -> str:
    return (cell.predicted.limited_by if cell.predicted else None) or formats.UNKNOWN


FIGURES: tuple[MetricColumn, ...] = (
    MetricColumn(
        "ok_rps",
        "ok",
        "rps",
        lambda c: formats.rate(c.ok_rps),
        "higher",
        theory=format_predicted_rate,
    ),
    MetricColumn(
        "failure_ratio", "failed", "%", lambda c: formats.percent(c.failure_ratio), "lower"
    ),
    MetricColumn("unfinished", "open", "", lambda c: formats.whole(c.unfinished), "lower"),
    MetricColumn(
        "median_ms",
        "median",
        "ms",
        format_median,
        "lower",
        is_latency=True,
        theory=format_predicted_median,
    ),
    MetricColumn(
        "p95_ms", "p95", "ms", lambda c: format_latency(c, c.p95_ms), "lower", is_latency=True
    ),
    MetricColumn(
        "p99_ms",
        "p99",
        "ms",
        lambda c: format_latency(c, c.p99_ms),
        "lower",
        is_latency=True,
        theory=format_predicted_p99,
    ),
    MetricColumn(
        "threads_spawned",
        "threads",
        "live",
        lambda c: formats.whole(c.threads_spawned),
        "lower",
    ),
    MetricColumn(
        "threads_active_mean", "", "active", lambda c: formats.decimal(c.threads_active_mean)
    ),
    MetricColumn(
        "pool_waiting_peak", "pool", "waiting", lambda c: formats.whole(c.pool_waiting_peak)
    ),
    MetricColumn(
        "loop_lag_p99_ms",
        "loop lag",
        "p99 ms",
        lambda c: formats.milliseconds(c.loop_lag_p99_ms),
        "lower",
    ),
    MetricColumn(
        "worker_restarts", "deaths", "", lambda c: formats.whole(c.worker_restarts), "lower"
    ),
    MetricColumn("limited_by", "limit", "by theory", format_limit),
)


def get_comparable_value(cell: CellSummary, figure: MetricColumn) -> float | None:
    """None where there is no comparing: what survivors waited is no latency of the service, nor
    is what grows with the length of a test, or how quickly requests fail; and the throughput of
    an open loop is what was offered."""
    loop = cell.open_loop
    if figure.better is None or cell.interrupted or (figure.key == "ok_rps" and loop):
        return None
    if figure.is_latency and (
        has_many_failures(cell) or has_starved_users(cell) or (loop and loop.overloaded)
    ):
        return None
    found = getattr(cell, figure.key)
    return float(found) if isinstance(found, int | float) else None


def mark_extremes(cells: Sequence[CellSummary], figure: MetricColumn) -> Mapping[int, Mark]:
    """By the cell's place. Those within 5 % of the best are all best; nothing is marked where all
    are alike."""
    values = {place: get_comparable_value(cell, figure) for place, cell in enumerate(cells)}
    known = {place: each for place, each in values.items() if each is not None}
    if len(known) < 2:
        return {}
    low, high = min(known.values()), max(known.values())
    if high <= low * APART:
        return {}
    best, worst = (high, low) if figure.better == "higher" else (low, high)
    found: dict[int, Mark] = {}
    for place, each in known.items():
        if are_alike(each, best):
            found[place] = "best"
        elif are_alike(each, worst):
            found[place] = "worst"
    return found


def are_alike(one: float, other: float) -> bool:
    return max(one, other) <= APART * min(one, other)
