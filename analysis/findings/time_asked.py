"""How often a route was asked, and which part of that time a place took."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from analysis.findings.evidence import AuditEvidence
from analysis.findings.spans import Span
from scenarios.units import Second


def count_requests(evidence: AuditEvidence) -> Mapping[str, int]:
    """By route, as the app saw them: clients may be the user's own."""
    counted = evidence.handlers.drop_nulls("route").group_by("route").len()
    return dict(counted.iter_rows())


def count_most_at_once(evidence: AuditEvidence) -> int:
    """Requests at most that were in the app at once, summed over its processes."""
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
    """Of the time of the phases in which the route was asked, of all processes that answered. Where
    the route is unknown, of the phases in which it took time. None where it was in none. taken:
    moments, and seconds."""
    spans = list_spans(evidence, route)
    if route is None:
        spans = [each for each in spans if any(is_within(at_s, each) for at_s, _ in taken)]
    total_s = sum(end_s - begin_s for begin_s, end_s in spans)
    if total_s <= 0:
        return None
    taken_s = sum(
        seconds for at_s, seconds in taken if any(is_within(at_s, each) for each in spans)
    )
    return min(1.0, taken_s / (total_s * max(1, evidence.count_processes())))


def list_spans(evidence: AuditEvidence, route: str | None) -> list[Span]:
    """Phases in which a client asked the route; all of the audit's where it is not known."""
    mine = evidence.asked if route is None else evidence.asked.filter(pl.col("route") == route)
    asked = set(mine["phase"])
    return [
        (each.began_s, each.ended_s)
        for each in evidence.record.phases
        if route is None or each.name in asked or not each.routes
    ]


def is_within(at_s: Second, span: Span) -> bool:
    return span[0] <= at_s < span[1]
