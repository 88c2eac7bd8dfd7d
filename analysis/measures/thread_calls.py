"""Pool threads that worked for requests: `def` endpoints and offloaded calls."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.probe_metrics import COUNTED, compute_simultaneous_peak
from analysis.measures.threads import compute_active_threads, load_last_seen
from analysis.measures.window import MeasuredCell
from analysis.stats.quantiles import estimate_quantile

ENDPOINTS = ("pid", "thread_id", "thread_kind", "started_s", "ended_s")
CALLED = ("pid", "visit", "thread_id", "thread_kind", "asked_s", "began_s", "ended_s")
MOST_CALLS = 8
"""The probe's limit per request: at the limit, further calls may be missing."""
POOL, EXECUTOR = "anyio-worker", "executor"


@dataclass(frozen=True, slots=True)
class ExecutorUse:
    """threads: maximum number of executor threads. busy_mean: mean number that worked for a
    request. wait_median_ms: from offloading a call until a thread started it."""

    threads: int
    busy_mean: float
    wait_median_ms: float


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """None where some calls may be missing from the record; executor: also without any calls."""

    pool_busy_mean: float | None = None
    """Mean number of anyio's pool threads that worked for a request."""
    executor: ExecutorUse | None = None


def measure_pool_use(cell: MeasuredCell) -> PoolUse:
    if not cell.tables.has_table("thread_calls"):
        return PoolUse()
    calls = cell.tables.load_table("thread_calls", CALLED)
    most = calls.group_by("pid", "visit").len()["len"].max()
    if isinstance(most, int) and most >= MOST_CALLS:
        return PoolUse()
    endpoints = cell.tables.load_table("handlers", ENDPOINTS)
    work = calls.select(*ENDPOINTS[:3], "ended_s", started_s="began_s").select(ENDPOINTS)
    on_pool = pl.concat([endpoints, work]).filter(pl.col("thread_kind") == POOL)
    busy, _ = compute_active_threads(on_pool, load_last_seen(cell), cell.window)
    executor = measure_executor(cell, calls.filter(pl.col("thread_kind") == EXECUTOR))
    return PoolUse(pool_busy_mean=busy, executor=executor)


def measure_executor(cell: MeasuredCell, calls: pl.DataFrame) -> ExecutorUse | None:
    began = calls.filter(cell.window.contains("began_s"))
    wait_ms = estimate_quantile(1000 * (began["began_s"] - began["asked_s"]).to_numpy(), 0.5)
    work = calls.with_columns(started_s="began_s")
    busy, _ = compute_active_threads(work, load_last_seen(cell), cell.window)
    samples = cell.tables.load_table("probe", COUNTED).filter(cell.window.contains("at_s"))
    threads = compute_simultaneous_peak(samples, pl.col("threads_executor"))
    if not threads or busy is None or wait_ms is None:
        return None
    return ExecutorUse(threads, busy, wait_ms)
