"""Thread counts of the server: live, ever in a handler, and in a handler at the same time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.instruments import SILENCE_LIMIT_S, compute_probe_silence_s
from analysis.measures.probe_metrics import COUNTED, THREADS, compute_simultaneous_peak
from analysis.measures.request_accounting import is_load_request
from analysis.measures.resource_usage import SWEEP_S, USAGE, compute_peak_together
from analysis.measures.window import MeasuredCell, Window, count_distinct

HANDLED = ("pid", "request_id", "thread_id", "started_s", "ended_s")

Moments = npt.NDArray[np.float64]


def compute_active_threads(
    handlers: pl.DataFrame, last_seen: pl.DataFrame, window: Window
) -> tuple[float, int] | tuple[None, None]:
    """Compute the time-weighted mean and the peak of distinct threads inside a handler.

    A pool thread runs one handler at a time; an event loop runs many and counts as one thread.
    A handler without an end ran until its process was last sampled (`last_seen`: pid, seen_s).
    None without a window, and where no handler's thread is known.
    """
    known = handlers.filter(pl.col("thread_id").is_not_null(), pl.col("started_s").is_not_null())
    if known.is_empty() or not window.length_s:
        return None, None
    start_s, end_s = window.start_s, window.end_s
    # both numbers have 32 bits: grouping one of 64 bits takes half the time
    spans = known.join(last_seen, on="pid", how="left").select(
        thread=pl.col("pid").cast(pl.UInt64) * 2**32 + pl.col("thread_id"),
        start=pl.col("started_s").clip(start_s, end_s),
        end=pl.coalesce("ended_s", "seen_s", pl.lit(end_s)).clip(start_s, end_s),
    )
    starts, ends = merge_by_thread(spans)
    # at the same moment, ends come before starts, and a stable sort keeps that order
    moments = np.concatenate([np.sort(ends), np.sort(starts)])
    order = np.argsort(moments, kind="stable")
    active = np.cumsum(np.where(order < len(ends), np.int8(-1), np.int8(1)), dtype=np.int32)
    lasting = np.diff(moments[order], append=end_s)
    mean = float(np.sum(active * lasting) / window.length_s)
    return mean, int(active.max(initial=0))


def merge_by_thread(spans: pl.DataFrame) -> tuple[Moments, Moments]:
    """Return starts and ends, with overlapping spans of one thread merged."""
    threads = (
        spans.filter(pl.col("end") > pl.col("start"))
        .sort("start")
        .group_by("thread")  # a group keeps the order of its rows
        .agg("start", "end")
    )
    merged = [
        merge_spans(start.to_numpy(), end.to_numpy())
        for start, end in zip(threads["start"], threads["end"], strict=True)
    ]
    starts, ends = zip(*merged, strict=True) if merged else ((), ())
    nothing = np.empty(0)
    return np.concatenate([nothing, *starts]), np.concatenate([nothing, *ends])


def merge_spans(start: Moments, end: Moments) -> tuple[Moments, Moments]:
    """Merge the spans of one thread, given in order of their starts."""
    reach = np.maximum.accumulate(end)
    fresh = np.ones(len(start), dtype=np.bool_)
    fresh[1:] = start[1:] > reach[:-1]
    return start[fresh], reach[np.roll(fresh, -1)]


def load_last_seen(cell: MeasuredCell) -> pl.DataFrame:
    """Load each process's last sample: pid, seen_s."""
    samples = cell.tables.load_table("probe", ("pid", "at_s"))
    return samples.group_by("pid").agg(seen_s=pl.col("at_s").max())


@dataclass(frozen=True, kw_only=True)
class ThreadSummary:
    """unique: distinct threads that ever ran a handler. spawned: maximum number of live threads.
    active: threads in a handler at the same time, in the window; None if a probe stopped."""

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
    mean, peak = compute_active_threads(own, load_last_seen(cell), cell.window)
    if (compute_probe_silence_s(cell) or 0.0) > SILENCE_LIMIT_S:
        mean = peak = None  # the probe did not record the handlers of the silence
    if cell.record.scenario.server.is_python:
        spawned = compute_simultaneous_peak(cell.tables.load_table("probe", COUNTED), THREADS)
    else:
        sweeps = cell.tables.load_table("machine", USAGE)
        around = sweeps.filter(cell.window.widen(SWEEP_S).contains("at_s"))
        spawned = compute_peak_together(around, "server", "threads")
    return ThreadSummary(
        threads_unique=count_distinct(known, "pid", "thread_id") if known.height else None,
        threads_spawned=spawned,
        threads_active_mean=mean,
        threads_active_peak=peak,
    )
