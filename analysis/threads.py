"""How many threads were in a handler at once."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class ActiveThreads:
    """Time-weighted mean and peak of the distinct threads that are inside a handler."""

    mean: float
    peak: int


def active_threads(
    handlers: pl.DataFrame, last_seen: pl.DataFrame, start_s: Second, end_s: Second
) -> ActiveThreads | None:
    """A thread of the pool holds one handler at a time; a loop holds many and counts as one.

    A handler without an end ran until its process was last seen (`last_seen`: pid, seen_s).
    None where no handler's thread is known.
    """
    spans = (
        handlers.join(last_seen, on="pid", how="left")
        .filter(pl.col("thread_id").is_not_null(), pl.col("started_s").is_not_null())
        .select(
            "pid",
            "thread_id",
            start=pl.col("started_s").clip(start_s, end_s),
            end=pl.coalesce("ended_s", "seen_s", pl.lit(end_s)).clip(start_s, end_s),
        )
    )
    if spans.is_empty():
        return None
    merged = merged_by_thread(spans)
    moments = np.concatenate([merged["start"].to_numpy(), merged["end"].to_numpy()])
    steps = np.concatenate([np.ones(len(merged)), -np.ones(len(merged))])
    order = np.lexsort((steps, moments))  # at the same moment, ends before starts
    active = np.cumsum(steps[order])
    lasting = np.diff(moments[order], append=end_s)
    length_s = end_s - start_s
    return ActiveThreads(
        mean=float(np.sum(active * lasting) / length_s) if length_s > 0 else 0.0,
        peak=int(active.max(initial=0)),
    )


def merged_by_thread(spans: pl.DataFrame) -> pl.DataFrame:
    """Overlapping spans of one thread become one."""
    thread = ["pid", "thread_id"]
    reach = pl.col("end").cum_max().shift(1).over(thread)
    return (
        spans.filter(pl.col("end") > pl.col("start"))
        .sort("start")
        .with_columns(fresh=(pl.col("start") > reach).fill_null(value=True))
        .with_columns(island=pl.col("fresh").cum_sum().over(thread))
        .group_by(*thread, "island")
        .agg(pl.col("start").min(), pl.col("end").max())
    )
