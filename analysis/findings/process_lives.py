"""When each process of the service lived: a recycled worker and its successor share no moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.findings.spans import Span, intersect, measure
from scenarios.units import Second


@compute_once
def measure_lives(evidence: AuditEvidence) -> Mapping[int, Span]:
    """Measure each process's life from its first to its last known moment."""
    known: dict[int, list[Second]] = defaultdict(list)
    for pid, at_s in evidence.samples.select("pid", "at_s").drop_nulls().iter_rows():
        known[pid].append(at_s)
    for stretch in evidence.stretches:
        known[stretch.pid] += [stretch.began_s, stretch.ended_s]
    for pid, at_s in evidence.handlers.select("pid", "arrived_s").drop_nulls().iter_rows():
        known[pid].append(at_s)
    return {pid: (min(times), max(times)) for pid, times in known.items()}


def list_serving_lives(evidence: AuditEvidence) -> list[Span]:
    """List the lives of the processes that count_processes counts."""
    pids = evidence.list_pids()
    return [life for pid, life in measure_lives(evidence).items() if pid in pids]


def measure_serving_s(spans: Sequence[Span], evidence: AuditEvidence) -> Second:
    """Sum the time in the spans over the processes that served then; at least the spans' length,
    since a successor may be late."""
    lives = list_serving_lives(evidence)
    return max(measure(spans), sum(measure(intersect(spans, life)) for life in lives))


def count_most_alive(evidence: AuditEvidence) -> int:
    """Count the processes that served at the same time, at most; at least 1."""
    lives = list_serving_lives(evidence)
    return max(
        (sum(begin_s <= at_s <= end_s for begin_s, end_s in lives) for at_s, _ in lives), default=1
    )
