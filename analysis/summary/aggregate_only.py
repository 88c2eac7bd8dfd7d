"""What a load tells beside rows, or instead of them: the rest of the summary stays unknown."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from analysis.stats.quantiles import estimate_quantile
from analysis.summary.model import CellSummary, ErrorCount
from records.cell import LoadTotals


def add_totals(summary: CellSummary, totals: LoadTotals) -> CellSummary:
    """Its latencies are of all that completed, failed statuses among them."""
    values, counts = (
        np.array(each) for each in zip(*totals.latencies_us or ((0, 0),), strict=True)
    )
    told_ms = np.repeat(values, counts) / 1000
    unanswered = sum(totals.faults.values())
    requests = totals.completed + unanswered
    failures = totals.failed_statuses + unanswered
    lasting_s = totals.lasting_s
    return replace(
        summary,
        duration_s=lasting_s or None,
        requests=requests,
        failures=failures,
        failure_ratio=failures / requests if requests else None,
        success_ratio=1 - failures / requests if requests else None,
        rps=requests / lasting_s if lasting_s else None,
        ok_rps=(requests - failures) / lasting_s if lasting_s else None,
        failures_per_s=failures / lasting_s if lasting_s else None,
        mean_ms=float(told_ms.mean()) if len(told_ms) else None,
        min_ms=estimate_quantile(told_ms, 0.0),
        median_ms=estimate_quantile(told_ms, 0.5),
        ok_median_ms=None if totals.failed_statuses else estimate_quantile(told_ms, 0.5),
        p95_ms=estimate_quantile(told_ms, 0.95),
        p99_ms=estimate_quantile(told_ms, 0.99),
        p999_ms=estimate_quantile(told_ms, 0.999),
        max_ms=estimate_quantile(told_ms, 1.0),
        fates=replace(summary.fates, sent=requests, completed=totals.completed),
        errors=collect_errors(totals),
    )


def add_faults(summary: CellSummary, faults: Mapping[str, int]) -> CellSummary:
    """Requests that got no answer, of which only the number is known."""
    lost, lasting_s = sum(faults.values()), summary.duration_s
    requests, failures = summary.requests + lost, summary.failures + lost
    found = (*summary.errors, *(ErrorCount(error, count) for error, count in faults.items()))
    return replace(
        summary,
        requests=requests,
        failures=failures,
        failure_ratio=failures / requests if requests else None,
        success_ratio=1 - failures / requests if requests else None,
        rps=requests / lasting_s if lasting_s else None,
        failures_per_s=failures / lasting_s if lasting_s else None,
        errors=tuple(sorted(found, key=lambda each: -each.count)),
    )


def collect_errors(totals: LoadTotals) -> tuple[ErrorCount, ...]:
    kinds = {**totals.faults, "status": totals.failed_statuses}
    found = [ErrorCount(f"wrk: {kind}", count) for kind, count in kinds.items() if count]
    return tuple(sorted(found, key=lambda each: -each.count))
