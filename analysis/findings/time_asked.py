"""How often a route was called, and what share of that time a place took."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from analysis.findings.evidence import AuditEvidence
from analysis.findings.process_lives import measure_serving_s
from analysis.findings.spans import Span
from scenarios.units import Second


def count_requests(evidence: AuditEvidence) -> Mapping[str, int]:
    """Count the app's requests by route: the client rows do not include the user's own traffic."""
    counted = evidence.handlers.drop_nulls("route").group_by("route").len()
    return dict(counted.iter_rows())


def count_most_at_once(evidence: AuditEvidence) -> int:
    """Return the maximum number of concurrent requests in the app, summed over its processes."""
    most = 0
    for _, rows in evidence.handlers.drop_nulls("arrived_s").group_by("pid"):
        begins_s = np.sort(rows["arrived_s"].to_numpy())
        ends_s = np.sort(rows["returned_s"].drop_nulls().to_numpy())
        ended = np.searchsorted(ends_s, begins_s, side="right")
        most += int((np.arange(1, len(begins_s) + 1) - ended).max())
    return most


def measure_share(
    taken: Sequence[tuple[Second, Second]], route: str | None, evidence: AuditEvidence
) -> float | None:
    """Measure the share of the phases in which the route was called, over the processes that served
    at the same time. For an unknown route, use the phases in which the place took time. Return None
    if there is no such phase. taken: moments and seconds."""
    spans = list_spans(evidence, route)
    if route is None:
        spans = [each for each in spans if any(is_within(at_s, each) for at_s, _ in taken)]
    served_s = measure_serving_s(spans, evidence)
    if served_s <= 0:
        return None
    taken_s = sum(
        seconds for at_s, seconds in taken if any(is_within(at_s, each) for each in spans)
    )
    return min(1.0, taken_s / served_s)


def list_spans(evidence: AuditEvidence, route: str | None) -> list[Span]:
    """List the phases in which a client called the route; all phases if it is unknown."""
    mine = evidence.asked if route is None else evidence.asked.filter(pl.col("route") == route)
    asked = set(mine["phase"])
    return [
        (each.began_s, each.ended_s)
        for each in evidence.record.phases
        if route is None or each.name in asked or not each.routes
    ]


def is_within(at_s: Second, span: Span) -> bool:
    return span[0] <= at_s < span[1]
