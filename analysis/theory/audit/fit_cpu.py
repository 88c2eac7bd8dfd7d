"""Wall-clock CPU of requests: on a machine with other work, CPU takes longer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from analysis.findings.evidence import AuditEvidence
from analysis.findings.process_lives import count_most_alive
from analysis.theory.audit.check import measure_routes
from analysis.theory.audit.load import MeasuredService, plan_load, simulate_levels
from records.audit import Phase

FULL = 0.8
"""Share of the loops' time from which CPU limits the rate of a route that is requested alone."""


def fit_cpu_to_clock(
    service: MeasuredService, phases: Sequence[Phase], evidence: AuditEvidence
) -> MeasuredService:
    """Scale CPU so that the model matches the rate of routes that are requested alone and limited
    by CPU. Scale other routes by the median factor. phases: those with all users."""
    factors = measure_factors(service, phases, evidence)
    usual = median(factors.values()) if factors else 1.0
    return replace(
        service,
        demands={
            route: tuple(each.scale_cpu(factors.get(route, usual)) for each in visits)
            for route, visits in service.demands.items()
        },
    )


def measure_factors(
    service: MeasuredService, phases: Sequence[Phase], evidence: AuditEvidence
) -> Mapping[str, float]:
    """Map each route to its ratio of wall-clock time to CPU."""
    factors: dict[str, float] = {}
    for phase in phases:
        measured = list(measure_routes(phase, evidence))
        if len(measured) != 1:
            continue
        (seen,) = measured
        visits = service.demands[seen.route]
        cpu_s = sum(each.computing_s for each in visits) / len(visits)
        alone_s = sum(each.alone_s for each in visits) / len(visits)
        full = FULL * count_most_alive(evidence)
        if phase.users * cpu_s < full * alone_s:
            continue  # CPU does not limit, even if no request waited
        (said,) = simulate_levels(service, plan_load(phase, evidence))
        if said.rps * cpu_s >= full:
            factors[seen.route] = said.rps / seen.rps
    return factors
