"""The service of an audit, as a simulation that must first give what the audit measured: one that
does not predicts nothing."""

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


def build_audit_model(evidence: AuditEvidence, cores: int) -> AuditModel:
    """cores: of the machine. Nobody knows which code of threads lets go of the GIL: that it needs
    it is tried first, then the contrary."""
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
    """Of routes that are asked alone, no 99th percentile counts: nothing is said of theirs."""
    for phase in phases:
        levels = simulate_levels(service, plan_load(phase, evidence))
        difference = find_difference(list(measure_routes(phase, evidence)), levels, MIDDLE)
        if difference is not None:
            return describe_difference(phase, difference)
    return None


def describe_difference(phase: Phase, difference: str | None) -> str | None:
    if difference is None:
        return None
    return f"the model does not know this service: in the phase {phase.name}, {difference}"


def list_loaded_phases(evidence: AuditEvidence) -> Iterator[Phase]:
    """The last one first, in which all routes are asked together, and those with as many users."""
    asked = set(evidence.asked["phase"])
    phases = [each for each in evidence.record.phases if each.name in asked]
    for each in reversed(phases):
        if each.users == phases[-1].users and (each is phases[-1] or each.users > 1):
            yield each


def list_routes(phase: Phase, evidence: AuditEvidence) -> set[str]:
    return set(evidence.asked.filter(pl.col("phase") == phase.name)["route"])


def find_gap(phase: Phase, service: MeasuredService, evidence: AuditEvidence) -> str | None:
    """What the model would need and does not have."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name)
    if "handovers" in evidence.missing or not evidence.count_processes():
        return NO_PROBE
    failed = rows.filter(pl.col("ended_s").is_null() | pl.col("status").is_null()).height
    if failed > MOST_FAILED * rows.height:
        return f"{failed:,} of {rows.height:,} requests got no answer: the model knows no failures"
    unknown = list_routes(phase, evidence) - service.demands.keys()
    if unknown:
        return f"no request of {min(unknown)} ran alone, so that the model does not know its needs"
    return None
