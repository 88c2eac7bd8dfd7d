"""Mean and quantiles of the latencies of a window, and what the unanswered make of them."""

from dataclasses import dataclass

from analysis.measures.latency import (
    TIMES,
    collect_censored_durations,
    compute_latencies_ms,
)
from analysis.measures.window import CellRows, MeasuredCell
from analysis.stats.quantiles import estimate_quantile
from analysis.stats.survival import estimate_censored_quantiles


@dataclass(frozen=True, slots=True)
class CensoredQuantiles:
    """Median and p99 in ms that count those who were never answered: as if each were answered at
    the end, and by Kaplan and Meier; None where it is beyond all that were."""

    lower_bounds: tuple[float | None, float | None]
    estimates: tuple[float | None, float | None]


def measure_censored_quantiles(cell: MeasuredCell) -> CensoredQuantiles:
    requests = cell.tables.load_table("requests", TIMES)
    completions = requests.filter(cell.window.contains("ended_s"))
    found = collect_censored_durations(
        cell.record, requests, completions, cell.window.end_s, cell.end_s
    )
    median_ms, p99_ms = estimate_censored_quantiles(found.durations_ms, found.known, (0.5, 0.99))
    lower_ms, lower_p99_ms = (estimate_quantile(found.durations_ms, q) for q in (0.5, 0.99))
    return CensoredQuantiles((lower_ms, lower_p99_ms), (median_ms, p99_ms))


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    mean_ms: float | None
    min_ms: float | None
    median_ms: float | None
    ok_median_ms: float | None
    median_lower_bound_ms: float | None
    median_censored_ms: float | None
    """Kaplan–Meier, with the requests that nobody answered; None where it is beyond them all."""
    p99_lower_bound_ms: float | None
    p99_censored_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None


def summarize_latency(rows: CellRows, censored: CensoredQuantiles) -> LatencySummary:
    all_ms = compute_latencies_ms(rows.record, rows.completions)
    good_ms = all_ms[rows.completions["error"].is_null().to_numpy()]
    return LatencySummary(
        mean_ms=float(all_ms.mean()) if len(all_ms) else None,
        min_ms=estimate_quantile(all_ms, 0.0),
        median_ms=estimate_quantile(all_ms, 0.5),
        ok_median_ms=estimate_quantile(good_ms, 0.5),
        median_lower_bound_ms=censored.lower_bounds[0],
        median_censored_ms=censored.estimates[0],
        p99_lower_bound_ms=censored.lower_bounds[1],
        p99_censored_ms=censored.estimates[1],
        p95_ms=estimate_quantile(all_ms, 0.95),
        p99_ms=estimate_quantile(all_ms, 0.99),
        p999_ms=estimate_quantile(all_ms, 0.999),
        max_ms=estimate_quantile(all_ms, 1.0),
    )
