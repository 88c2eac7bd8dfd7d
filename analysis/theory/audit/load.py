"""Simulation of an audit phase's load, as it was sent."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import RouteLevel
from analysis.stats.quantiles import estimate_quantile
from analysis.theory.audit.demands import measure_demands
from analysis.theory.audit.parts import Demands
from analysis.theory.audit.programs import build_program
from analysis.theory.audit.simulation import ServiceModel, UserPlan, simulate_phase
from analysis.theory.audit.stations import ServiceLimits
from records.audit import Phase
from scenarios.units import Second

ENOUGH_ANSWERS, MOST_RUNS = 3000, 8
"""A phase is simulated repeatedly until it has this many responses."""
POOL_TOKENS = 40.0
"""The size of anyio's pool, where no call of it was recorded."""
MOST_CYCLE = 200
"""The longest cycle of requests that counts as a user's order."""


@dataclass(frozen=True, slots=True)
class MeasuredService:
    """demands: of requests. limits: of each process."""

    demands: Demands
    limits: ServiceLimits

    def build_model(self) -> ServiceModel:
        programs = {route: tuple(map(build_program, each)) for route, each in self.demands.items()}
        return ServiceModel(programs, self.limits)


@dataclass(frozen=True, slots=True)
class PhaseLoad:
    """plans: of each user. length_s: the time in which they send requests. users: as in the phase,
    without the background one."""

    plans: tuple[UserPlan, ...]
    length_s: Second
    users: int


def measure_service(evidence: AuditEvidence, cores: int) -> MeasuredService:
    """Measure it, with the last known capacity of each queue. cores: of the machine."""
    known = evidence.handovers.drop_nulls("queue").sort("asked_s")
    last = pl.col("capacity").drop_nulls().last().fill_null(math.inf)
    rows = known.group_by("queue", maintain_order=True).agg(last)
    capacities = {"anyio": POOL_TOKENS, **dict(rows.iter_rows())}
    return MeasuredService(measure_demands(evidence), ServiceLimits(capacities, cores=cores))


def plan_load(phase: Phase, evidence: AuditEvidence) -> PhaseLoad:
    """Plan the load as the phase's users sent it: their routes in order, and their pauses."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name).sort("started_s")
    served = evidence.handlers.select("request_id", "pid").drop_nulls().unique("request_id")
    rows = rows.join(served, on="request_id", how="left", maintain_order="left")
    plans = []
    for _, mine in sorted(rows.partition_by("user", as_dict=True).items()):
        gaps_s = (mine["started_s"].shift(-1) - mine["ended_s"]).drop_nulls().clip(lower_bound=0.0)
        pids = mine["pid"].drop_nulls().mode().to_list()
        routes = find_cycle(tuple(mine["route"]))
        plans.append(UserPlan(routes, tuple(gaps_s) or (0.0,), min(pids, default=0)))
    length_s = max(rows["started_s"], default=0.0) - phase.began_s
    return PhaseLoad(tuple(plans), length_s, phase.users)


def find_cycle(routes: tuple[str, ...]) -> tuple[str, ...]:
    """Find the repeated cycle. Without it, an incomplete last round would count too much."""
    lengths = range(1, min(MOST_CYCLE, len(routes)) + 1)
    found = (each for each in lengths if routes[each:] == routes[:-each])
    return routes[: next(found, len(routes))]


def simulate_levels(service: MeasuredService, load: PhaseLoad) -> tuple[RouteLevel, ...]:
    model = service.build_model()
    responses_s: dict[str, list[Second]] = defaultdict(list)
    span_s, answers = 0.0, 0
    for seed in range(MOST_RUNS):
        found = simulate_phase(model, load.plans, load.length_s, seed)
        span_s += found.span_s
        for route, each in found.responses_s.items():
            responses_s[route] += each
            answers += len(each)
        if answers >= ENOUGH_ANSWERS:
            break
    return tuple(summarize_levels(responses_s, span_s))


def summarize_levels(
    responses_s: Mapping[str, Sequence[Second]], span_s: Second
) -> Iterator[RouteLevel]:
    for route in sorted(responses_s):
        took_s = responses_s[route]
        median_s, p99_s = (estimate_quantile(took_s, q) or 0.0 for q in (0.5, 0.99))
        yield RouteLevel(route, len(took_s) / span_s, 1000 * median_s, 1000 * p99_s)
