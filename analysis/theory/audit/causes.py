"""Causes for which the requests of a simulated service wait."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.theory.audit.changes import ServiceChange, find_change, list_stretches
from analysis.theory.audit.edits import CpuEdit
from analysis.theory.audit.model import AuditModel
from analysis.theory.audit.simulation import SimulatedPhase
from scenarios.units import Second

CauseKind = Literal["block", "cpu", "queue"]


@dataclass(frozen=True, slots=True)
class WaitCause:
    """A cause of waiting. wait_ms: mean over all requests. routes: those that block or compute, or
    that wait for the queue, the worst first. share: of the response time, that requests wait for
    it; for a queue, the largest of its routes' shares. finding: the audit's, if any. without_ms:
    mean response time without this cause; None where the model does not know it. other: if the
    requests then mostly wait elsewhere, the cause without which that helps. without_both_ms: mean
    response time without this cause and the other one."""

    kind: CauseKind
    wait_ms: float
    routes: tuple[str, ...]
    share: float
    queue: str | None = None
    capacity: float | None = None
    finding: AuditFinding | None = None
    without_ms: float | None = None
    other: "WaitCause | None" = None
    without_both_ms: float | None = None


@dataclass(frozen=True, slots=True)
class AuditedService:
    """An audited service. model: one without a `reason`. cores: of its machine."""

    model: AuditModel
    found: AuditFindings
    evidence: AuditEvidence
    cores: int


def list_causes(phase: SimulatedPhase, audited: AuditedService) -> Iterator[WaitCause]:
    owners = [
        (each, set(list_stretches(each, audited.evidence))) for each in audited.found.findings
    ]
    blocks: dict[int | None, dict[str, Second]] = defaultdict(lambda: defaultdict(float))
    computing: dict[str, Second] = {}
    for (route, site), seconds in phase.ledger.loop_s.items():
        if site is None:
            computing[route] = seconds
        else:
            owner = next((n for n, (_, mine) in enumerate(owners) if site in mine), None)
            blocks[owner][route] += seconds
    for owner, by_route in blocks.items():
        cause = build_cause("block", by_route, phase)
        yield replace(cause, finding=None if owner is None else owners[owner][0])
    yield build_cause("cpu", computing, phase)
    yield from list_queue_waits(phase, audited)


def list_queue_waits(phase: SimulatedPhase, audited: AuditedService) -> Iterator[WaitCause]:
    queues: dict[str, dict[str, Second]] = defaultdict(dict)
    for (queue, route), seconds in phase.ledger.queue_s.items():
        queues[queue][route] = seconds
    for queue, by_route in queues.items():
        shares = (
            seconds / sum(phase.responses_s.get(each, (math.inf,)))
            for each, seconds in by_route.items()
        )
        yield replace(
            build_cause("queue", by_route, phase),
            share=max(shares),
            queue=queue,
            capacity=audited.model.service.limits.capacities[queue],
            finding=find_queue_wait(queue, audited.found),
        )


def build_cause(kind: CauseKind, seconds: Mapping[str, Second], phase: SimulatedPhase) -> WaitCause:
    """seconds: by route."""
    routes = sorted(seconds, key=lambda each: -seconds[each])
    took_s = [each for of_route in phase.responses_s.values() for each in of_route]
    waited_s = sum(seconds.values())
    wait_ms = 1000 * waited_s / len(took_s)
    return WaitCause(kind, wait_ms, tuple(routes), waited_s / sum(took_s))


def find_queue_wait(queue: str, found: AuditFindings) -> AuditFinding | None:
    """Find the audit's worst finding about this queue."""
    return next((each for each in found.findings if getattr(each, "queue", None) == queue), None)


def find_cause_change(cause: WaitCause, audited: AuditedService) -> ServiceChange:
    """Find what removes it: no CPU, unlimited threads, or the finding's cure."""
    if cause.kind == "cpu":
        return ServiceChange(CpuEdit())
    if cause.kind == "queue" and cause.queue is not None:
        return ServiceChange(capacities={cause.queue: math.inf})
    if cause.finding is None:
        return ServiceChange(reason="the audit found no code for these blocks")
    return find_change(cause.finding, audited.evidence, audited.cores)
