"""Steadiness of the window: warm-up, and drift of response time and throughput."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from analysis.measures.window import MeasuredCell, Window, count_distinct, sort_by_end
from analysis.stats.quantiles import estimate_quantile
from analysis.stats.steady_state import Drift, count_parts, estimate_drift, estimate_trend
from scenarios.units import Second


@dataclass(frozen=True, kw_only=True)
class SteadinessSummary:
    warm_up_cut_s: float
    """The part of the window that MSER-5 assigned to the warm-up."""
    response_drift: float | None
    """Change over the window as a share of the mean, as for the throughput."""
    throughput_drift: float | None


@dataclass(frozen=True, kw_only=True)
class Steadiness(SteadinessSummary):
    """unwarmed: users without a response at the warm-up's limit. turn_s: time in which every user
    is served once, at the measured throughput. drifts: empty where the window is too short."""

    window: Window
    unwarmed: int
    turn_s: Second | None
    drifts: Mapping[Literal["response", "throughput"], Drift]


def assess_steadiness(cell: MeasuredCell) -> Steadiness:
    window, load = cell.window, cell.record.scenario.load
    moments, responses_ms = sort_by_end(cell.record, cell.completions)
    rps = cell.completions.height / window.length_s if window.length_s else 0.0
    typical_ms = estimate_quantile(responses_ms, 0.5)
    parts = count_parts(window.length_s, None if typical_ms is None else typical_ms / 1000)
    drifts: dict[Literal["response", "throughput"], Drift] = {}
    if parts and (drift := estimate_drift(responses_ms, parts)):
        counts = np.histogram(moments, bins=parts, range=(window.start_s, window.end_s))[0]
        drifts = {"response": drift, "throughput": estimate_trend(counts.astype(np.float64))}
    return Steadiness(
        warm_up_cut_s=window.cut_s,
        response_drift=drifts["response"].share if drifts else None,
        throughput_drift=drifts["throughput"].share if drifts else None,
        window=window,
        unwarmed=load.users - count_warmed_users(cell),
        turn_s=None if load.is_open or not rps else load.users / rps,
        drifts=drifts,
    )


def count_warmed_users(cell: MeasuredCell) -> int:
    """Count the users with a response, before the window, to a request sent after the ramp."""
    phases = cell.record.phases
    if phases.ramp_end_s is None or phases.window_start_s is None:
        return 0
    served = cell.requests.filter(
        pl.col("started_s") >= phases.ramp_end_s,
        pl.col("ended_s") < phases.window_start_s,
        pl.col("status").is_not_null(),
    )
    return count_distinct(served, "process", "user")
