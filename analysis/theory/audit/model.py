"""The service of an audit, as a simulation that must first give what the audit measured: one that
does not predicts nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.findings.remedies import RouteLevel
from analysis.theory.audit.check import MIDDLE, QUANTILES, find_difference, measure_routes
from analysis.theory.audit.fit_cpu import fit_cpu_to_clock
from analysis.theory.audit.load import (
    MeasuredService,
    PhaseLoad,
    measure_service,
    plan_load,
    simulate_levels,
)
from records.audit import Phase

MOST_FAILED = 0.01
"""Of the requests, without an answer."""
NO_CLIENTS = "the audit sent no requests itself: it does not know what clients see"
NO_PROBE = "the audit did not see into the service"


@dataclass(frozen=True, slots=True)
class AuditModel:
    """load: of the audit's last phase. levels: what the model says of it. reason: why it predicts
    nothing."""

    service: MeasuredService
    load: PhaseLoad
    levels: tuple[RouteLevel, ...] = ()
    reason: str | None = None


@compute_once
def build_audit_model(evidence: AuditEvidence) -> AuditModel:
    phases = list(list_loaded_phases(evidence))
    if not phases:
        return AuditModel(MeasuredService({}, {}), PhaseLoad((), 0.0, 0), reason=NO_CLIENTS)
    service, load = measure_service(evidence), plan_load(phases[0], evidence)
    reason = find_gap(phases[0], service, evidence)
    if reason is not None:
        return AuditModel(service, load, reason=reason)
    service = fit_cpu_to_clock(service, phases, evidence)
    reason = next(describe_differences(phases, service, evidence), None)
    return AuditModel(service, load, simulate_levels(service, load), reason)


def describe_differences(
    phases: Sequence[Phase], service: MeasuredService, evidence: AuditEvidence
) -> Iterator[str]:
    """Of routes that are alone, no 99th percentile counts: nothing is said of theirs."""
    for phase in phases:
        levels = simulate_levels(service, plan_load(phase, evidence))
        shares = tuple(QUANTILES) if phase is phases[0] else MIDDLE
        difference = find_difference(list(measure_routes(phase, evidence)), levels, shares)
        if difference is not None:
            yield f"the model does not know this service: in the phase {phase.name}, {difference}"


def list_loaded_phases(evidence: AuditEvidence) -> Iterator[Phase]:
    """The last one first, in which all routes are asked together, and those with as many users."""
    asked = set(evidence.asked["phase"])
    phases = [each for each in evidence.record.phases if each.name in asked]
    for each in reversed(phases):
        if each.users == phases[-1].users and (each is phases[-1] or each.users > 1):
            yield each


def find_gap(phase: Phase, service: MeasuredService, evidence: AuditEvidence) -> str | None:
    """What the model would need and does not have."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name)
    if "handovers" in evidence.missing or not evidence.count_processes():
        return NO_PROBE
    failed = rows.filter(pl.col("ended_s").is_null() | pl.col("status").is_null()).height
    if failed > MOST_FAILED * rows.height:
        return f"{failed:,} of {rows.height:,} requests got no answer: the model knows no failures"
    unknown = [each for each in rows["route"].unique().sort() if not service.demands.get(each)]
    if unknown:
        return f"no request of {unknown[0]} ran alone, so that the model does not know its needs"
    return None
