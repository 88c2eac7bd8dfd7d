"""How many threads the servers had, and how many of them ever worked at a request."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.active_threads import HANDLED, ActiveThreads, compute_active_threads
from analysis.measures.probe_metrics import COUNTED, THREADS, compute_simultaneous_peak
from analysis.measures.request_accounting import is_load_request
from analysis.measures.resource_usage import SWEEP_S, USAGE, compute_threads_peak
from analysis.measures.window import MeasuredCell, count_distinct


@dataclass(frozen=True, kw_only=True)
class ThreadSummary:
    """unique: distinct threads that ran a handler, ever; spawned: live threads at the most; active:
    in a handler at once, in the window."""

    threads_unique: int | None
    threads_spawned: int | None
    threads_active_mean: float | None
    threads_active_peak: int | None


def summarize_threads(cell: MeasuredCell) -> ThreadSummary:
    of_load = (
        is_load_request(cell.record.cell_number)
        if cell.record.scenario.load.tells_ids
        else pl.col("request_id").is_null()
    )
    own = cell.tables.load_table("handlers", HANDLED).filter(of_load).drop("request_id")
    known = own.filter(pl.col("thread_id").is_not_null())
    active = find_active_threads(cell, own)
    return ThreadSummary(
        threads_unique=count_distinct(known, "pid", "thread_id") if known.height else None,
        threads_spawned=count_spawned_threads(cell),
        threads_active_mean=active.mean if active else None,
        threads_active_peak=active.peak if active else None,
    )


def count_spawned_threads(cell: MeasuredCell) -> int | None:
    if cell.record.scenario.has_probe:
        return compute_simultaneous_peak(cell.tables.load_table("probe", COUNTED), THREADS)
    sweeps = cell.tables.load_table("machine", USAGE)
    around = sweeps.filter(cell.window.widen(SWEEP_S).contains("at_s"))
    return compute_threads_peak(around, "server")


def find_active_threads(cell: MeasuredCell, own: pl.DataFrame) -> ActiveThreads | None:
    if not cell.window.length_s:
        return None
    probe = cell.tables.load_table("probe", ("pid", "at_s"))
    last_seen = probe.group_by("pid").agg(seen_s=pl.col("at_s").max())
    return compute_active_threads(own, last_seen, cell.window.start_s, cell.window.end_s)
