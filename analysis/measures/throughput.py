"""How many requests ended in the window, good or bad, and how many never did."""

from dataclasses import dataclass

from analysis.measures.window import CellRows
from analysis.stats.quotients import divide_or_none
from scenarios.units import Second


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """DESIGN: windows, populations, words."""

    duration_s: Second | None
    requests: int
    failures: int
    failure_ratio: float | None
    unfinished: int
    rps: float | None
    ok_rps: float | None
    failures_per_s: float | None
    success_ratio: float | None


def measure_throughput(rows: CellRows) -> Throughput:
    """With requests that got no answer and are no rows, where the load knows only their number."""
    requests = rows.completions.height + sum(rows.record.faults.values())
    ok, length_s = rows.completions["error"].null_count(), rows.window.length_s
    return Throughput(
        duration_s=length_s or None,
        requests=requests,
        failures=requests - ok,
        failure_ratio=divide_or_none(requests - ok, requests),
        unfinished=rows.requests["ended_s"].null_count(),
        rps=divide_or_none(requests, length_s),
        ok_rps=divide_or_none(ok, length_s),
        failures_per_s=divide_or_none(requests - ok, length_s),
        success_ratio=divide_or_none(ok, requests),
    )
