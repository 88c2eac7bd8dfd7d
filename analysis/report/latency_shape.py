"""Quantiles and histogram of a cell's latencies, unanswered requests included."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.latency import collect_censored_durations
from analysis.measures.window import TIMES, MeasuredCell, Milliseconds, compute_latencies_ms
from analysis.stats.quantiles import estimate_survival

NINES = 4
"""The highest quantile shown is 1 - 10^-4."""
PER_NINE = 60
BINS = 400
"""Fine enough for a picture to merge them into its own bins."""
ROUNDING = 1e-9
"""Tolerance for rounding errors: the p90 of 200 requests is the 180th."""
ANSWERED, COUNTING, FROM_SEND = "answered", "with unanswered", "from sending"
GOOD, FAILED, OPEN = "successful", "failed", "unanswered (age)"


@dataclass(frozen=True, slots=True)
class LatencyDistribution:
    """quantiles: series, nines (-log10 of the share that is slower: 1 is the p90), latency_ms.
    spread: what, from_ms, to_ms, requests. Both are empty if no request ended or was in flight."""

    quantiles: pl.DataFrame
    spread: pl.DataFrame


def compute_distribution(cell: MeasuredCell) -> LatencyDistribution:
    record, window = cell.record, cell.window
    requests = cell.tables.load_table("requests", (*TIMES, "error"))
    completions = requests.filter(window.contains("ended_s"))
    durations_ms = compute_latencies_ms(record, completions)
    bounds_ms, known = collect_censored_durations(
        record, requests, completions, window.end_s, cell.end_s
    )
    curves = [compute_quantile_curve(ANSWERED, durations_ms)]
    if not known.all():
        curves.append(compute_censored_curve(COUNTING, bounds_ms, known))
    if record.scenario.load.is_open:
        sent_ms = 1000 * (completions["ended_s"] - completions["started_s"]).to_numpy()
        curves.append(compute_quantile_curve(FROM_SEND, sent_ms))
    good = completions["error"].is_null().to_numpy()
    kinds = {GOOD: durations_ms[good], FAILED: durations_ms[~good], OPEN: bounds_ms[~known]}
    return LatencyDistribution(pl.concat(curves), compute_histogram(kinds))


def compute_quantile_curve(series: str, durations_ms: Milliseconds) -> pl.DataFrame:
    count = len(durations_ms)
    return build_curve(series, np.sort(durations_ms), np.arange(1, count + 1) / count, count)


def compute_censored_curve(
    series: str, bounds_ms: Milliseconds, known: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    ordered, shares = estimate_survival(bounds_ms, known)
    ends = shares > 0  # a lower bound is not an end
    return build_curve(series, ordered[ends], np.cumsum(shares[ends]), len(known))


def build_curve(
    series: str, ordered_ms: Milliseconds, reached: npt.NDArray[np.float64], count: int
) -> pl.DataFrame:
    """Build the curve of `count` requests up to the quantile beyond which less than one request is
    slower. `reached`: the share that ended by each time. The curve ends with the last answered
    request."""
    finest = min(float(NINES), float(np.log10(max(count, 2))))
    nines = np.arange(int(PER_NINE * finest) + 1 if count else 0) / PER_NINE
    places = np.searchsorted(reached, 1 - 10.0**-nines - ROUNDING)
    found = ordered_ms[np.clip(places, 0, len(ordered_ms) - 1)]
    frame = pl.DataFrame({"nines": nines, "latency_ms": found}).filter(np.isfinite(found))
    return frame.select(pl.lit(series).alias("series"), "nines", "latency_ms")


def compute_histogram(kinds: dict[str, Milliseconds]) -> pl.DataFrame:
    """Count requests in bins of equal ratio, from the fastest to the slowest of all kinds."""
    everything = np.concatenate(list(kinds.values()))
    positive = everything[everything > 0]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    if high < 1.1 * low:  # all alike: bins need a width
        low, high = low / 1.1, high * 1.1
    limits = np.geomspace(low, high, BINS + 1)
    limits[0], limits[-1] = min(limits[0], low), max(limits[-1], high)
    counted = [
        {
            "what": [what] * BINS,
            "from_ms": limits[:-1],
            "to_ms": limits[1:],
            "requests": np.histogram(values.clip(low, high), limits)[0],
        }
        for what, values in kinds.items()
    ]
    return pl.concat(map(pl.DataFrame, counted)).filter(pl.col("requests") > 0)
