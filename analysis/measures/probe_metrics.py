"""The probe's samples from inside the workers: threads, pool, event loop, and blocking code.

While the heartbeat is older than `BLOCKED_AFTER_S`, the probe records with each sample the current
route and the line of the loop's thread. A sample covers the time since the previous one of its
process, so that a stalled watchdog's single sample covers all that it missed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
import polars as pl

from analysis.measures.window import MeasuredCell
from analysis.stats.quantiles import estimate_quantile
from scenarios.units import Second

BEAT_S = 0.010
"""The probe's heartbeat: an age up to this counts as no lag."""
BLOCKED_AFTER_S = 0.1
"""From this age on, the probe records the loop's stack."""
BUCKET_S = 0.1
"""Samples of several workers within this time count as simultaneous; each samples every 10 ms."""
KINDS = ("threads_loop", "threads_anyio_worker", "threads_executor", "threads_other")
THREADS = pl.sum_horizontal(KINDS, ignore_nulls=False)
COUNTED = ("pid", "at_s", *KINDS)
WATCHED = (
    "pid", "at_s", "heartbeat_age_s", "pool_total", "pool_waiting", "blocked_route", "blocked_frame"
)  # fmt: skip
PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+) (?P<function>.+)")
SITE = ("blocked_route", "blocked_frame")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingSite:
    """seconds: time for which this site blocked the loop, over all processes. longest_ms: the
    longest stretch. share: of all sites' seconds. stack: "file:line function", innermost first.
    cause: as in an audit's findings (`analysis.findings.blocks.causes`). Where the probe knew no
    line, `function` is "module function" of the innermost frame; `file` and `line` are None.

    In a run with heartbeat samples only, seconds are those that the samples cover beyond a tenth of
    a second, longest_ms is the longest lag, and `stack` and `cause` are None."""

    route: str | None
    file: str | None
    line: int | None
    function: str | None
    stack: tuple[str, ...] | None = None
    cause: str | None = None
    seconds: Second
    longest_ms: float
    share: float

    def __str__(self) -> str:
        place = f"{self.file}:{self.line} {self.function}" if self.file else self.function
        return " at ".join(each for each in (self.route, place) if each)


@dataclass(frozen=True, kw_only=True)
class ProbeMetrics:
    pool_total: int | None
    pool_waiting_peak: int | None
    loop_lag_p99_ms: float | None
    loop_lag_max_ms: float | None
    loop_blocked_share: float | None
    blocking_sites: tuple[BlockingSite, ...] = ()
    """The worst first; empty unless the endpoint works on the event loop."""


def compute_probe_metrics(cell: MeasuredCell) -> ProbeMetrics:
    samples = cell.tables.load_table("probe", WATCHED).filter(cell.window.contains("at_s"))
    lag_p99_ms, lag_max_ms, blocked_share = compute_loop_lag(samples)
    return ProbeMetrics(
        pool_total=compute_simultaneous_peak(samples, pl.col("pool_total")),
        pool_waiting_peak=compute_simultaneous_peak(samples, pl.col("pool_waiting")),
        loop_lag_p99_ms=lag_p99_ms,
        loop_lag_max_ms=lag_max_ms,
        loop_blocked_share=blocked_share,
        blocking_sites=find_blocking_sites(samples)
        if cell.record.scenario.endpoint.works_on_the_loop
        else (),
    )


def compute_simultaneous_peak(samples: pl.DataFrame, what: pl.Expr) -> int | None:
    """Compute the maximum at one time, summed over all workers. None if it is unknown, or infinite
    as a pool without a limit."""
    peak = (
        samples.with_columns(what=what, bucket=(pl.col("at_s") / BUCKET_S).floor())
        .group_by("bucket", "pid")
        .agg(pl.col("what").max())
        .group_by("bucket")
        .agg(pl.col("what").sum(), known=pl.col("what").count())
        .filter(pl.col("known") > 0)["what"]
        .max()
    )
    return int(peak) if isinstance(peak, int | float) and isfinite(peak) else None


def compute_loop_lag(samples: pl.DataFrame) -> tuple[float | None, float | None, float | None]:
    """Compute p99 and maximum in ms, and the share of time with a heartbeat older than a tenth of a
    second, each for the worst process. All are time-weighted: a stalled watchdog's single sample
    covers the time that it missed."""
    found = []
    for _, own in samples.sort("at_s").group_by("pid"):
        moments, age_s = own["at_s"].to_numpy(), own["heartbeat_age_s"].to_numpy()
        # each sample covers the time since the previous one
        weights = np.diff(moments, prepend=moments[0] - BEAT_S).clip(min=0.0)
        lag_ms = 1000 * (age_s - BEAT_S).clip(min=0.0)
        share = weights[age_s > BLOCKED_AFTER_S].sum() / weights.sum()
        found.append((estimate_quantile(lag_ms, 0.99, weights=weights), lag_ms.max(), share))
    if not found:
        return None, None, None
    p99_ms, most_ms, share = np.array(found, dtype=np.float64).max(axis=0)
    return float(p99_ms), float(most_ms), float(share)


def compute_observed_time(samples: pl.DataFrame) -> Mapping[int, Second]:
    """Compute how long each process's watchdog sampled, in s."""
    seconds = pl.col("at_s").max() - pl.col("at_s").min() + BEAT_S
    return dict(samples.group_by("pid").agg(seconds).iter_rows())


def find_blocking_sites(samples: pl.DataFrame) -> tuple[BlockingSite, ...]:
    """Find the blocking sites of these samples, the worst first."""
    sites = (
        samples.sort("at_s")
        .with_columns(lasted_s=pl.col("at_s").diff().over("pid").fill_null(BEAT_S))
        .filter(pl.any_horizontal(pl.col(SITE).is_not_null()))
        .group_by(SITE)
        .agg(pl.col("lasted_s").sum(), pl.col("heartbeat_age_s").max())
        .sort("lasted_s", *SITE, descending=True)
    )
    all_s = float(sites["lasted_s"].sum())
    found = []
    for route, place, lasted_s, age_s in sites.iter_rows():
        known = PLACE.fullmatch(place or "")
        file, line, function = known.groups() if known else (None, None, place)
        found.append(
            BlockingSite(
                route=route,
                file=file,
                line=int(line) if line else None,
                function=function,
                seconds=lasted_s,
                longest_ms=1000 * max(0.0, age_s - BEAT_S),
                share=lasted_s / all_s if all_s else 0.0,
            )
        )
    return tuple(found)
