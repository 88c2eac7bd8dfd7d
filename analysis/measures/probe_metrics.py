"""What the probe saw inside the workers: threads, pool, loop."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.blocking_sites import BEAT_S, BlockingSite, find_blocking_sites
from analysis.measures.window import MeasuredCell
from analysis.stats.quantiles import compute_time_weights, estimate_quantile

BLOCKED_AFTER_S = 0.1
"""From this age on the probe reads the loop's stack."""
BUCKET_S = 0.1
"""Samples of several workers within this are taken as simultaneous; each samples every 10 ms."""
THREADS = (
    pl.col("threads_loop")
    + pl.col("threads_anyio_worker")
    + pl.col("threads_executor")
    + pl.col("threads_other")
)


COUNTED = (
    "pid", "at_s", "threads_loop", "threads_anyio_worker", "threads_executor", "threads_other"
)  # fmt: skip
WATCHED = (
    "pid", "at_s", "heartbeat_age_s", "pool_total", "pool_waiting", "blocked_route", "blocked_frame"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ProbeMetrics:
    """Of the window."""

    pool_total: int | None
    pool_waiting_peak: int | None
    loop_lag_p99_ms: float | None
    loop_lag_max_ms: float | None
    loop_blocked_share: float | None
    blocking_sites: tuple[BlockingSite, ...] = ()
    """Of an endpoint that works on the event loop, the worst first."""


def compute_probe_metrics(cell: MeasuredCell) -> ProbeMetrics:
    samples = cell.tables.load_table("probe", WATCHED).filter(cell.window.contains("at_s"))
    lag_p99_ms, lag_max_ms = compute_loop_lag(samples)
    return ProbeMetrics(
        pool_total=compute_simultaneous_peak(samples, pl.col("pool_total")),
        pool_waiting_peak=compute_simultaneous_peak(samples, pl.col("pool_waiting")),
        loop_lag_p99_ms=lag_p99_ms,
        loop_lag_max_ms=lag_max_ms,
        loop_blocked_share=compute_blocked_share(samples),
        blocking_sites=find_blocking_sites(samples)
        if cell.record.scenario.endpoint.works_on_the_loop
        else (),
    )


def compute_simultaneous_peak(samples: pl.DataFrame, what: pl.Expr) -> int | None:
    """The most of something at one time, over all workers together."""
    peak = (
        samples.with_columns(what=what, bucket=(pl.col("at_s") / BUCKET_S).floor())
        .group_by("bucket", "pid")
        .agg(pl.col("what").max())
        .group_by("bucket")
        .agg(pl.col("what").sum(), known=pl.col("what").count())
        .filter(pl.col("known") > 0)["what"]
        .max()
    )
    return int(peak) if isinstance(peak, int | float) else None


def compute_loop_lag(samples: pl.DataFrame) -> tuple[float | None, float | None]:
    """p99 and maximum in ms, of the worst process. Time-weighted: a stalled watchdog's one
    sample stands for all the time that it missed."""
    p99s, worst = [], []
    for (_,), own in samples.sort("at_s").group_by("pid"):
        moments = own["at_s"].to_numpy()
        lag_ms = 1000 * (own["heartbeat_age_s"].to_numpy() - BEAT_S).clip(min=0.0)
        p99s.append(
            estimate_quantile(
                lag_ms, 0.99, weights=compute_time_weights(moments, moments[0] - BEAT_S)
            )
        )
        worst.append(estimate_quantile(lag_ms, 1.0))
    known = [value for value in p99s if value is not None]
    return max(known, default=None), max((w for w in worst if w is not None), default=None)


def compute_blocked_share(samples: pl.DataFrame) -> float | None:
    """The share of the time in which the heartbeat was older than a tenth of a second, in the
    worst process."""
    shares = []
    for (_,), own in samples.sort("at_s").group_by("pid"):
        moments = own["at_s"].to_numpy()
        weights = compute_time_weights(moments, moments[0] - BEAT_S)
        if weights.sum() > 0:
            late = own["heartbeat_age_s"].to_numpy() > BLOCKED_AFTER_S
            shares.append(float(weights[late].sum() / weights.sum()))
    return max(shares, default=None)
