"""What a load tells of requests that are no rows: only how many got no answer, and why."""

from collections.abc import Mapping
from dataclasses import replace

from analysis.summary.model import CellSummary, ErrorCount


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
