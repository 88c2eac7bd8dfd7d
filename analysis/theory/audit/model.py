"""Model of an audited service: a simulation that must first reproduce the audit's measurements. If
it does not, it predicts nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import RouteLevel
from analysis.theory.audit.check import MIDDLE, find_difference, measure_routes
from analysis.theory.audit.fit_cpu import fit_cpu_to_clock
from analysis.theory.audit.load import (
    MeasuredService,
    PhaseLoad,
    measure_service,
    plan_load,
    simulate_levels,
)
from analysis.theory.audit.stations import ServiceLimits
from records.audit import Phase

MOST_FAILED = 0.01
"""Maximum share of unanswered requests."""
NO_CLIENTS = "the audit sent no requests, so the latencies of clients are unknown"
NO_PROBE = "the audit had no probe inside the service"


@dataclass(frozen=True, slots=True)
class AuditModel:
    """load: of the audit's last phase. levels: the model's figures for it. reason: why it predicts
    nothing."""

    service: MeasuredService
    load: PhaseLoad
    levels: tuple[RouteLevel, ...] = ()
    reason: str | None = None


def build_audit_model(evidence: AuditEvidence, cores: int) -> AuditModel:
    """Build and check the model. It is unknown which code in threads releases the GIL: first assume
    that none does, then that all does. cores: of the machine."""
    phases = list(list_loaded_phases(evidence))
    if not phases:
        nothing = MeasuredService({}, ServiceLimits({}))
        return AuditModel(nothing, PhaseLoad((), 0.0, 0), reason=NO_CLIENTS)
    service, load = measure_service(evidence, cores), plan_load(phases[0], evidence)
    reason = find_gap(phases[0], service, evidence)
    if reason is not None:
        return AuditModel(service, load, reason=reason)
    phases = [each for each in phases if service.demands.keys() >= list_routes(each, evidence)]
    for needs_gil in (True, False):
        limits = replace(service.limits, threads_need_gil=needs_gil)
        fitted = fit_cpu_to_clock(replace(service, limits=limits), phases, evidence)
        levels = simulate_levels(fitted, load)
        measured = list(measure_routes(phases[0], evidence))
        difference = describe_difference(phases[0], find_difference(measured, levels))
        difference = difference or check_alone(phases[1:], fitted, evidence)
        if difference is None:
            return AuditModel(fitted, load, levels)
        reason = reason or difference
    return AuditModel(service, load, reason=reason)


def check_alone(
    phases: Sequence[Phase], service: MeasuredService, evidence: AuditEvidence
) -> str | None:
    """Check routes that were requested alone, except their 99th percentile."""
    for phase in phases:
        levels = simulate_levels(service, plan_load(phase, evidence))
        difference = find_difference(list(measure_routes(phase, evidence)), levels, MIDDLE)
        if difference is not None:
            return describe_difference(phase, difference)
    return None


def describe_difference(phase: Phase, difference: str | None) -> str | None:
    if difference is None:
        return None
    return f"the model does not fit this service: in the phase {phase.name}, {difference}"


def list_loaded_phases(evidence: AuditEvidence) -> Iterator[Phase]:
    """List the last phase, which requests all routes together, then those with as many users."""
    asked = set(evidence.asked["phase"])
    phases = [each for each in evidence.record.phases if each.name in asked]
    for each in reversed(phases):
        if each.users == phases[-1].users and (each is phases[-1] or each.users > 1):
            yield each


def list_routes(phase: Phase, evidence: AuditEvidence) -> set[str]:
    return set(evidence.asked.filter(pl.col("phase") == phase.name)["route"])


def find_gap(phase: Phase, service: MeasuredService, evidence: AuditEvidence) -> str | None:
    """Describe what the model lacks; None if nothing."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name)
    if evidence.lacks("handovers") or not evidence.count_processes():
        return NO_PROBE
    failed = rows.filter(pl.col("ended_s").is_null() | pl.col("status").is_null()).height
    if failed > MOST_FAILED * rows.height:
        return f"{failed:,} of {rows.height:,} requests got no response: the model has no failures"
    unknown = list_routes(phase, evidence) - service.demands.keys()
    if unknown:
        return f"no request of {min(unknown)} ran alone, so its demands are unknown"
    return None
