"""CPU per request of each route on the event loop, from an audit's samples."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy.optimize import nnls

from analysis.findings.evidence import AuditEvidence
from records.audit import Phase
from scenarios.units import Second


def measure_loop_cpu(evidence: AuditEvidence) -> Mapping[str, Second]:
    """Measure it by route, with blocking code and without the work of threads. Fit the CPU of all
    phases to a constant rate plus CPU per request."""
    rows = [each for phase in evidence.record.phases if (each := measure_phase(phase, evidence))]
    routes = sorted({route for _, _, counts in rows for route in counts})
    if not rows:
        return {}
    left = np.array([[1.0, *(counts.get(route, 0) / span_s for route in routes)]
                     for _, span_s, counts in rows])  # fmt: skip
    right = np.array([cpu_s / span_s for cpu_s, span_s, _ in rows])
    found, _ = nnls(left, right)
    return dict(zip(routes, map(float, found[1:]), strict=True))


def measure_phase(
    phase: Phase, evidence: AuditEvidence
) -> tuple[Second, Second, Mapping[str, int]] | None:
    """Return CPU, length, and requests by route."""
    within = pl.col("at_s").is_between(phase.began_s, phase.ended_s)
    samples = evidence.samples.filter(within, pl.col("cpu_s").is_finite()).sort("at_s")
    asked = evidence.asked.filter(pl.col("phase") == phase.name)
    used = samples.group_by("pid").agg(
        cpu_s=pl.col("cpu_s").last() - pl.col("cpu_s").first(),
        span_s=pl.col("at_s").last() - pl.col("at_s").first(),
    )
    span_s = phase.ended_s - phase.began_s
    seen = used.filter(pl.col("span_s") > span_s / 2)
    if seen.is_empty() or asked.is_empty():
        return None
    cpu_s = float((seen["cpu_s"] / seen["span_s"]).sum()) * span_s
    works = evidence.handovers.filter(pl.col("ended_s").is_between(phase.began_s, phase.ended_s))
    other_s = float(works["cpu_s"].fill_nan(None).sum() or 0.0)
    counts = dict(asked.group_by("route").len().iter_rows())
    return max(0.0, cpu_s - other_s), span_s, counts
