"""Latency of each route before and after a change, predicted or measured: a chart of medians and
99th percentiles, and a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10
from typing import Literal

from analysis.findings.cures.effects import TIE, compute_gain, pair_levels
from analysis.findings.remedies import Predicted, RouteChange, RouteLevel, Tried
from analysis.findings.trials.judge_trial import is_better
from analysis.report.remedy_words import format_change
from analysis.report.table import Column, Row, Table, shorten
from analysis.report.ticks import list_log_ticks
from analysis.stats import formats

ROOM = 1.25
MOST_TICKS = 5
LONGEST_ROUTE = 22
"""Characters that fit on a phone next to the medians."""
SHORTEST_MS = 0.01
COLUMNS = (
    Column("route"),
    Column("requests / s", "before", formats.rate),
    Column("requests / s", "after", formats.rate),
    Column("median", "before, ms", formats.milliseconds),
    Column("median", "after, ms", formats.milliseconds),
    Column("p99", "before, ms", formats.milliseconds),
    Column("p99", "after, ms", formats.milliseconds),
)
Change = Literal["better", "worse", "same"]
Level = tuple[RouteLevel, RouteLevel, Change]
"""Before, after, and how the median changed."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """label: the route and its medians. marks: before and after, in percent of the width, for the
    median and, if both are known, for the 99th percentile."""

    label: str
    change: Change
    marks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ChangePicture:
    """title: the number of users or the trial. ticks: positions in percent, and latencies."""

    title: str
    rows: tuple[ChangeRow, ...]
    ticks: tuple[tuple[float, str], ...]
    table: Table


class LogScale:
    """A logarithmic scale from milliseconds to percent of the width."""

    def __init__(self, levels: Sequence[Level]) -> None:
        known = [
            each
            for before, after, _ in levels
            for one in (before, after)
            for each in (one.p50_ms, one.p99_ms)
            if each is not None
        ]
        self.low_ms = max(min(known), SHORTEST_MS) / ROOM
        self.high_ms = max(max(known), SHORTEST_MS) * ROOM

    def place(self, latency_ms: float) -> float:
        inside = log10(max(latency_ms, self.low_ms) / self.low_ms)
        return round(100 * inside / log10(self.high_ms / self.low_ms), 2)

    def place_marks(self, before: RouteLevel, after: RouteLevel) -> Iterator[tuple[float, float]]:
        yield self.place(before.p50_ms), self.place(after.p50_ms)
        if before.p99_ms is not None and after.p99_ms is not None:
            yield self.place(before.p99_ms), self.place(after.p99_ms)

    def list_ticks(self) -> Iterator[tuple[float, str]]:
        for each in list_log_ticks(self.low_ms, self.high_ms, MOST_TICKS):
            yield self.place(each), f"{each:,g} ms"


def draw_predicted(predicted: Predicted) -> ChangePicture | None:
    """Return None if nothing is predicted."""
    pairs = pair_levels(predicted.before, predicted.after)
    levels = [(*pair, compare(*pair)) for pair in pairs]
    return draw_change(f"{predicted.users:,} users", levels) if levels else None


def draw_tried(tried: Tried) -> ChangePicture | None:
    """Return None if no route was measured."""
    levels = [(each.before, each.after, judge_change(each, tried)) for each in tried.routes]
    rounds = formats.count_things(tried.rounds, "round")
    return draw_change(f"--try {tried.trial}, {rounds} each", levels) if levels else None


def compare(before: RouteLevel, after: RouteLevel) -> Change:
    gain = compute_gain(before, after)
    return "better" if gain >= TIE else "worse" if gain <= 1 / TIE else "same"


def judge_change(measured: RouteChange, tried: Tried) -> Change:
    """Classify the change; "same" if the interval leaves doubt."""
    if measured.route in tried.worse:
        return "worse"
    return "better" if is_better(measured) else "same"


def draw_change(title: str, levels: Sequence[Level]) -> ChangePicture:
    scale = LogScale(levels)
    rows = tuple(
        ChangeRow(
            f"{shorten(before.route, LONGEST_ROUTE)}: median {format_change(before, after)}",
            change,
            tuple(scale.place_marks(before, after)),
        )
        for before, after, change in levels
    )
    return ChangePicture(title, rows, tuple(scale.list_ticks()), build_levels_table(levels))


def build_levels_table(levels: Sequence[Level]) -> Table:
    rows = [
        Row(a.route, [a.rps, b.rps, a.p50_ms, b.p50_ms, a.p99_ms, b.p99_ms]) for a, b, _ in levels
    ]
    return Table(COLUMNS, rows)
