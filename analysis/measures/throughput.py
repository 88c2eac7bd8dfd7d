"""Throughput: in the window, over the ramp, and compared with an open loop's offered rate."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
import polars as pl

from analysis.measures.window import MeasuredCell, get_planned_window
from analysis.stats.quantiles import divide_or_none, estimate_quantile
from records.cell import CellRecord
from scenarios.units import Second

ENOUGH = 0.95
"""Share of the throughput with all users from which a level counts as saturated, despite noise."""
LOOK_AHEAD = 3
"""Saturated levels required in a row: a single one may be chance."""
FEWEST_A_LEVEL = 30
"""Responses per level of users: 30 vary by a fifth."""
FEWEST_LEVELS = 5
LOOKS = 21
"""Samples of the requests in flight over the window."""
GROWTH_LIMIT_SHARE = 0.02
GROWTH_LIMIT_DEVIATIONS = 3.0
"""Limits of the backlog's growth: as a share of the offered rate, and in standard deviations of
random arrivals."""
FAILING_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """`unfinished` counts the whole run, the other figures count the window."""

    duration_s: Second | None
    requests: int
    failures: int
    failure_ratio: float | None
    unfinished: int
    rps: float | None
    ok_rps: float | None
    failures_per_s: float | None
    success_ratio: float | None


def measure_throughput(cell: MeasuredCell) -> Throughput:
    """Measure the window, including failed requests without rows, which are only counted."""
    requests = cell.completions.height + sum(cell.record.faults.values())
    ok, length_s = cell.completions["error"].null_count(), cell.window.length_s
    return Throughput(
        duration_s=length_s or None,
        requests=requests,
        failures=requests - ok,
        failure_ratio=divide_or_none(requests - ok, requests),
        unfinished=cell.requests["ended_s"].null_count(),
        rps=divide_or_none(requests, length_s),
        ok_rps=divide_or_none(ok, length_s),
        failures_per_s=divide_or_none(requests - ok, length_s),
        success_ratio=divide_or_none(ok, requests),
    )


@dataclass(frozen=True, slots=True)
class RampGrowth:
    """saturated_from: number of users; None where throughput grew until the ramp's end. levels:
    (users, requests per second), from one user on."""

    saturated_from: int | None
    levels: tuple[tuple[int, float], ...]


def measure_ramp_growth(
    record: CellRecord, requests: pl.DataFrame, ok_rps: float | None
) -> RampGrowth | None:
    """`requests` has ended_s and error. None where the ramp was too fast, with too few responses
    per number of users."""
    load, ramp_end_s = record.scenario.load, record.phases.ramp_end_s
    if load.is_open or not load.tells_ids or ramp_end_s is None or not ok_rps:
        return None
    begin_s = ramp_end_s - load.users / load.spawn_rate
    marks = [begin_s + users / load.spawn_rate for users in range(load.users + 1)]
    good = requests.filter(pl.col("error").is_null(), pl.col("ended_s").is_not_null())
    counts = np.histogram(good["ended_s"].to_numpy(), bins=marks)[0]
    if len(counts) < FEWEST_LEVELS or counts.min() < FEWEST_A_LEVEL:
        return None
    rates: list[float] = (counts / np.diff(marks)).tolist()
    high = [rate >= ENOUGH * ok_rps for rate in rates]
    places = range(len(high) - LOOK_AHEAD + 1)
    return RampGrowth(
        saturated_from=next((at + 1 for at in places if all(high[at : at + LOOK_AHEAD])), None),
        levels=tuple(enumerate(rates, start=1)),
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """Offered and sustained rates in requests per second; growth of the requests in flight."""

    offered_rps: float
    sustained_rps: float
    failed_rps: float
    growth_per_s: float
    mean_under_way: float
    random_arrivals: bool
    window_s: Second

    @property
    def overload(self) -> Literal["growth", "failures"] | None:
        """The sign of overload, or None. With random arrivals, the number in flight varies by its
        square root, and two samples differ by sqrt(2) of that; with constant arrivals, by one or
        two requests. Requests that fail quickly leave no backlog, but are not served."""
        by_chance = sqrt(2 * self.mean_under_way) if self.random_arrivals else 1.0
        bearable_per_s = max(
            GROWTH_LIMIT_SHARE * self.offered_rps,
            GROWTH_LIMIT_DEVIATIONS * by_chance / self.window_s,
        )
        if self.growth_per_s > bearable_per_s:
            return "growth"
        lost_rps = self.offered_rps - self.sustained_rps - max(0.0, self.growth_per_s)
        fails = self.failed_rps > FAILING_SHARE * self.offered_rps and lost_rps > 0
        return "failures" if fails else None


def compute_backlog(cell: MeasuredCell) -> Backlog | None:
    """Count requests as in flight from when they were due; return None without a window."""
    window, requests, completions = cell.window, cell.requests, cell.completions
    if not window.length_s:
        return None
    due = np.sort(requests["intended_s"].to_numpy())
    ended = np.sort(requests["ended_s"].drop_nulls().to_numpy())
    moments = np.linspace(window.start_s, window.end_s, LOOKS)
    under_way = np.searchsorted(due, moments) - np.searchsorted(ended, moments)
    # least squares over even steps; the last digits of numpy's fit depend on the processor
    steps = range(-(LOOKS // 2), LOOKS // 2 + 1)
    products = sum(step * int(count) for step, count in zip(steps, under_way, strict=True))
    growth = products / sum(step * step for step in steps)
    offered = requests.filter(window.contains("intended_s")).height
    good = completions["error"].null_count()
    return Backlog(
        offered_rps=offered / window.length_s,
        sustained_rps=good / window.length_s,
        failed_rps=(completions.height - good) / window.length_s,
        growth_per_s=growth * (LOOKS - 1) / window.length_s,
        mean_under_way=float(under_way.mean()),
        random_arrivals=cell.record.scenario.load.arrivals == "poisson",
        window_s=window.length_s,
    )


@dataclass(frozen=True, slots=True)
class OpenLoopSummary:
    """An open loop's figures. Latencies count from when a request was due; service_…: from when it
    left. Offered: requests due in the window, per second."""

    arrival_rate: float
    arrivals: str
    offered_rps: float
    sustained_rps: float
    backlog_growth_per_s: float
    overloaded: bool
    service_median_ms: float | None
    service_p99_ms: float | None
    formula_median_ms: float | None = None
    """The median under overload, from rates and times alone: a response t after the schedule's
    start waited t (1 - sustained / offered), and half of the window's responses come before its
    middle."""


def summarize_open_loop(cell: MeasuredCell, backlog: Backlog | None) -> OpenLoopSummary | None:
    load, completions = cell.record.scenario.load, cell.completions
    if load.arrival_rate is None or backlog is None:
        return None
    service_ms = 1000 * (completions["ended_s"] - completions["started_s"]).to_numpy()
    return OpenLoopSummary(
        arrival_rate=load.arrival_rate,
        arrivals=load.arrivals,
        offered_rps=backlog.offered_rps,
        sustained_rps=backlog.sustained_rps,
        backlog_growth_per_s=backlog.growth_per_s,
        overloaded=backlog.overload is not None,
        formula_median_ms=estimate_backlog_median_ms(cell.record, backlog),
        service_median_ms=estimate_quantile(service_ms, 0.5),
        service_p99_ms=estimate_quantile(service_ms, 0.99),
    )


def estimate_backlog_median_ms(record: CellRecord, backlog: Backlog) -> float | None:
    """Return None without an overload, and with failed requests: they left the queue early."""
    begin_s = record.phases.ramp_end_s
    if begin_s is None or not backlog.overload or backlog.failed_rps:
        return None
    window = get_planned_window(record)
    middle_s = (window.start_s + window.end_s) / 2 - begin_s
    return 1000 * middle_s * (1 - backlog.sustained_rps / backlog.offered_rps)
