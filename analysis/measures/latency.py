"""Latencies of a window: mean and quantiles, with and without unanswered requests, and the delay
before the app received a request."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.window import (
    TIMES,
    MeasuredCell,
    Milliseconds,
    compute_latencies_ms,
)
from analysis.stats.quantiles import estimate_censored_quantiles, estimate_quantile
from records.cell import CellRecord
from scenarios.units import Second

CLOCKS_AGREE_MS = 1.0


def collect_censored_durations(
    record: CellRecord,
    requests: pl.DataFrame,
    completions: pl.DataFrame,
    window_end_s: Second,
    end_s: Second,
) -> tuple[Milliseconds, npt.NDArray[np.bool_]]:
    """Collect durations, and whether each is exact or a lower bound.

    They are those of the window's completions and of the requests in flight at its end: exact if
    answered during the drain, else the age at `end_s`, the drain's end.
    """
    under_way = requests.filter(
        pl.col("started_s") < window_end_s,
        pl.col("ended_s").is_null() | (pl.col("ended_s") >= window_end_s),
    )
    both = pl.concat([completions.select(TIMES), under_way.select(TIMES)])
    bounded = both.with_columns(pl.col("ended_s").fill_null(end_s))
    return compute_latencies_ms(record, bounded), both["ended_s"].is_not_null().to_numpy()


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    mean_ms: float | None
    min_ms: float | None
    median_ms: float | None
    ok_median_ms: float | None
    median_lower_bound_ms: float | None
    median_censored_ms: float | None
    """Kaplan–Meier estimate with unanswered requests; None where it exceeds all observed times."""
    p99_lower_bound_ms: float | None
    p99_censored_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None


def summarize_latency(cell: MeasuredCell) -> LatencySummary:
    bounds_ms, known = collect_censored_durations(
        cell.record, cell.requests, cell.completions, cell.window.end_s, cell.end_s
    )
    median_ms, p99_ms = estimate_censored_quantiles(bounds_ms, known, (0.5, 0.99))
    all_ms = compute_latencies_ms(cell.record, cell.completions)
    good_ms = all_ms[cell.completions["error"].is_null().to_numpy()]
    return LatencySummary(
        mean_ms=float(all_ms.mean()) if len(all_ms) else None,
        min_ms=estimate_quantile(all_ms, 0.0),
        median_ms=estimate_quantile(all_ms, 0.5),
        ok_median_ms=estimate_quantile(good_ms, 0.5),
        median_lower_bound_ms=estimate_quantile(bounds_ms, 0.5),
        median_censored_ms=median_ms,
        p99_lower_bound_ms=estimate_quantile(bounds_ms, 0.99),
        p99_censored_ms=p99_ms,
        p95_ms=estimate_quantile(all_ms, 0.95),
        p99_ms=estimate_quantile(all_ms, 0.99),
        p999_ms=estimate_quantile(all_ms, 0.999),
        max_ms=estimate_quantile(all_ms, 1.0),
    )


@dataclass(frozen=True, kw_only=True)
class ArrivalDelay:
    arrival_delay_median_ms: float | None = None
    """None where the offset of two clocks is too uncertain."""
    arrival_delay_p99_ms: float | None = None
    clock_uncertainty_ms: float | None
    """Of load processes on other machines."""


def measure_arrival_delay(cell: MeasuredCell) -> ArrivalDelay:
    """Measure the time from send to arrival. With load from other machines, it compares two clocks:
    it is known only if the worst one agrees with this machine's to a millisecond. (A latency uses
    a single clock.)"""
    uncertainty_ms = max((1000 * clock.uncertainty_s for clock in cell.record.clocks), default=None)
    if uncertainty_ms is not None and uncertainty_ms > CLOCKS_AGREE_MS:
        return ArrivalDelay(clock_uncertainty_ms=uncertainty_ms)
    requests = cell.tables.load_table("requests", ("request_id", "started_s")).lazy()
    arrivals = cell.tables.load_table("handlers", ("request_id", "arrived_s")).lazy()
    both = requests.join(arrivals.filter(cell.window.contains("arrived_s")), on="request_id")
    delays = both.select(pl.col("arrived_s") - pl.col("started_s"))
    # never holds both sides in memory
    delays_ms = 1000 * delays.collect(engine="streaming").to_series().to_numpy()
    return ArrivalDelay(
        arrival_delay_median_ms=estimate_quantile(delays_ms, 0.5),
        arrival_delay_p99_ms=estimate_quantile(delays_ms, 0.99),
        clock_uncertainty_ms=uncertainty_ms,
    )
