"""Whether the window was in a steady state: warm-up, and drift of response and throughput."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.latency import sort_by_end
from analysis.measures.window import CellRows, Window, count_distinct
from analysis.stats.quantiles import estimate_quantile
from analysis.stats.steady_state import Drift, count_parts, estimate_drift, estimate_trend
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Steadiness:
    """unwarmed: users that the warm-up's limit found without an answer; turn_s: how long it
    takes until everybody was served once, at the measured throughput."""

    window_s: Second
    settles_late: bool
    """The responses came to their level only after a fifth of the window."""
    unwarmed: int
    turn_s: Second | None
    response_drift: Drift | None
    throughput_drift: Drift | None


def assess_steadiness(rows: CellRows) -> Steadiness:
    window, load = rows.window, rows.record.scenario.load
    moments, responses_ms = sort_by_end(rows.record, rows.completions)
    rps = rows.completions.height / window.length_s if window.length_s else 0.0
    typical_ms = estimate_quantile(responses_ms, 0.5)
    parts = count_parts(window.length_s, None if typical_ms is None else typical_ms / 1000)
    known = parts is not None and len(moments) >= 2 * parts
    return Steadiness(
        window_s=window.length_s,
        settles_late=window.settles_late,
        unwarmed=load.users - count_warmed_users(rows),
        turn_s=None if load.is_open or not rps else load.users / rps,
        response_drift=estimate_drift(responses_ms, parts) if parts else None,
        throughput_drift=estimate_throughput_drift(moments, parts, window)
        if parts and known
        else None,
    )


@dataclass(frozen=True, kw_only=True)
class SteadinessSummary:
    warm_up_cut_s: float
    """What the warm-up took of the window, by MSER-5."""
    response_drift: float | None
    """Change over the window as a share of the mean; so too for the throughput."""
    throughput_drift: float | None


def summarize_steadiness(window: Window, found: Steadiness) -> SteadinessSummary:
    response, throughput = found.response_drift, found.throughput_drift
    return SteadinessSummary(
        warm_up_cut_s=window.cut_s,
        response_drift=response.share if response else None,
        throughput_drift=throughput.share if throughput else None,
    )


def estimate_throughput_drift(
    moments: npt.NDArray[np.float64], parts: int, window: Window
) -> Drift:
    counts = np.histogram(moments, bins=parts, range=(window.start_s, window.end_s))[0]
    return estimate_trend(counts.astype(np.float64))


def count_warmed_users(rows: CellRows) -> int:
    """Users with an answer, before the window, to a request that they sent after the ramp."""
    phases = rows.record.phases
    if phases.ramp_end_s is None or phases.window_start_s is None:
        return 0
    served = rows.requests.filter(
        pl.col("started_s") >= phases.ramp_end_s,
        pl.col("ended_s") < phases.window_start_s,
        pl.col("status").is_not_null(),
    )
    return count_distinct(served, "process", "user")
