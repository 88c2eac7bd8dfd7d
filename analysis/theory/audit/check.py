"""Check that the model reproduces the audit's measurements, as far as its few requests allow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import binom

from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import RouteLevel
from analysis.stats import formats
from analysis.stats.quantiles import Values
from records.audit import Phase
from scenarios.units import Second

RPS_OFF, TIME_OFF = 0.15, 0.25
"""Tolerances of the model, as shares."""
REQUESTS_OFF = 2
"""Tolerance in requests per route, for the ends of a phase."""
QUANTILES: Mapping[float, tuple[str, float]] = {
    0.5: ("at the median", 2.0),
    0.99: ("at the 99th percentile", 20.0),
}
"""Words and further tolerance in ms: the machine may stop a service this long before the probe
records a block, which affects one request in a hundred."""
MIDDLE = (0.5,)
LOW_P, HIGH_P = 0.025, 0.975


@dataclass(frozen=True, slots=True)
class MeasuredRoute:
    """took_ms: of the responses, sorted."""

    route: str
    took_ms: Values
    span_s: Second

    @property
    def rps(self) -> float:
        return len(self.took_ms) / self.span_s

    def describe_difference(self, said: RouteLevel | None, shares: Sequence[float]) -> str | None:
        """Return None where the model agrees. shares: the quantiles to compare."""
        rps, said_rps = self.rps, said.rps if said else 0.0
        if said is None or abs(said_rps - rps) > RPS_OFF * rps + REQUESTS_OFF / self.span_s:
            return self.compare(
                formats.short_number(said_rps), formats.short_number(rps), "requests/s"
            )
        for share, said_ms in ((0.5, said.p50_ms), (0.99, said.p99_ms)):
            if said_ms is not None and share in shares and not self.allows(share, said_ms):
                seen_ms = float(np.quantile(self.took_ms, share, method="inverted_cdf"))
                texts = formats.milliseconds(said_ms), formats.milliseconds(seen_ms)
                return self.compare(*texts, f"ms {QUANTILES[share][0]}")
        return None

    def compare(self, said: str, seen: str, unit: str) -> str:
        return f"{self.route} should have {said} {unit} but had {seen}"

    def allows(self, share: float, said_ms: float) -> bool:
        """Return True if a quantile is within the measured one's interval plus tolerance. The
        interval uses ranks; with few requests it has no upper end."""
        size = len(self.took_ms)
        low, high = (int(binom.ppf(p, size, share)) for p in (LOW_P, HIGH_P))
        low_ms = self.took_ms[max(0, low - 1)]
        high_ms = self.took_ms[high] if high < size else np.inf
        more_ms = QUANTILES[share][1]
        low_ms, high_ms = low_ms * (1 - TIME_OFF) - more_ms, high_ms * (1 + TIME_OFF) + more_ms
        return bool(low_ms <= said_ms <= high_ms)


def measure_routes(phase: Phase, evidence: AuditEvidence) -> Iterator[MeasuredRoute]:
    """Measure each route's responses, as seen by the clients."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name).drop_nulls("ended_s")
    span_s = max(rows["ended_s"], default=0.0) - phase.began_s
    took = rows.select("route", took_ms=1000 * (pl.col("ended_s") - pl.col("started_s")))
    for (route,), mine in sorted(took.partition_by("route", as_dict=True).items()):
        yield MeasuredRoute(str(route), np.sort(mine["took_ms"].to_numpy()), span_s)


def find_difference(
    measured: Sequence[MeasuredRoute],
    levels: Sequence[RouteLevel],
    shares: Sequence[float] = tuple(QUANTILES),
) -> str | None:
    """Describe the first difference. shares: the quantiles to compare."""
    said: Mapping[str, RouteLevel] = {each.route: each for each in levels}
    found = (each.describe_difference(said.get(each.route), shares) for each in measured)
    return next((each for each in found if each is not None), None)
