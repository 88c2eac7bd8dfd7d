"""Whether the window was in a steady state: warm-up, and drift of response and throughput."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.measures.window import CellRows, Window, count_distinct, sort_by_end
from analysis.stats.quantiles import estimate_quantile
from analysis.stats.steady_state import Drift, count_parts, estimate_drift, estimate_trend
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Steadiness:
    """unwarmed: users that the warm-up's limit found without an answer; turn_s: how long it
    takes until everybody was served once, at the measured throughput."""

    window: Window
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
    drift = estimate_drift(responses_ms, parts) if parts else None
    counts = np.histogram(moments, bins=parts or 1, range=(window.start_s, window.end_s))[0]
    return Steadiness(
        window=window,
        unwarmed=load.users - count_warmed_users(rows),
        turn_s=None if load.is_open or not rps else load.users / rps,
        response_drift=drift,
        throughput_drift=estimate_trend(counts.astype(np.float64)) if drift else None,
    )


@dataclass(frozen=True, kw_only=True)
class SteadinessSummary:
    warm_up_cut_s: float
    """What the warm-up took of the window, by MSER-5."""
    response_drift: float | None
    """Change over the window as a share of the mean; so too for the throughput."""
    throughput_drift: float | None


def summarize_steadiness(found: Steadiness) -> SteadinessSummary:
    response, throughput = found.response_drift, found.throughput_drift
    return SteadinessSummary(
        warm_up_cut_s=found.window.cut_s,
        response_drift=response.share if response else None,
        throughput_drift=throughput.share if throughput else None,
    )


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
