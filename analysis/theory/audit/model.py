"""The service of an audit and the load of its last phase, as a simulation; and whether that gives
what was measured. One that does not predicts nothing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.findings.remedies import RouteLevel
from analysis.stats.quantiles import estimate_quantile
from analysis.theory.audit.demands import Demands, measure_demands
from analysis.theory.audit.programs import build_program
from analysis.theory.audit.simulation import ServiceModel, UserPlan, simulate_phase
from records.audit import Phase
from scenarios.units import Second

ENOUGH_ANSWERS, MOST_RUNS = 3000, 8
"""The phase is simulated again and again for so many answers."""
MOST_FAILED = 0.01
RPS_OFF, TIME_OFF = 0.15, 0.25
"""How far a model may be off, as a share of what was measured."""
TIME_OFF_MS = 2.0
POOL_TOKENS = 40.0
"""Of anyio's pool, where no call of it was seen."""

NO_CLIENTS = "the audit sent no requests: it does not know what clients would see"


@dataclass(frozen=True, slots=True)
class AuditLoadModel:
    """plans: of each user. length_s: in which they send requests. users: as the phase counts
    them, without the background one."""

    plans: tuple[UserPlan, ...]
    length_s: Second
    users: int


@dataclass(frozen=True, slots=True)
class AuditModel:
    """reason: why it predicts nothing. levels: what it says of the load as it was."""

    demands: Demands
    capacities: Mapping[str, float]
    load: AuditLoadModel
    levels: tuple[RouteLevel, ...] = ()
    reason: str | None = None


@compute_once
def build_audit_model(evidence: AuditEvidence) -> AuditModel:
    phase = choose_phase(evidence)
    if phase is None:
        return AuditModel({}, {}, AuditLoadModel((), 0.0, 0), reason=NO_CLIENTS)
    demands, capacities = measure_demands(evidence), list_capacities(evidence)
    load = plan_load(phase, evidence)
    reason = find_gap(phase, demands, evidence)
    if reason is not None:
        return AuditModel(demands, capacities, load, reason=reason)
    levels = simulate_levels(demands, capacities, load)
    measured = measure_levels(phase, evidence)
    return AuditModel(demands, capacities, load, levels, find_difference(levels, measured))


def choose_phase(evidence: AuditEvidence) -> Phase | None:
    """The last one: in it all routes are asked together."""
    asked = set(evidence.asked["phase"])
    return next((each for each in reversed(evidence.record.phases) if each.name in asked), None)


def find_gap(phase: Phase, demands: Demands, evidence: AuditEvidence) -> str | None:
    """What the model would need and does not have."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name)
    if "handovers" in evidence.missing or not evidence.count_processes():
        return "the audit did not see into the service"
    unanswered = rows.filter(pl.col("ended_s").is_null() | pl.col("status").is_null()).height
    if unanswered > MOST_FAILED * rows.height:
        return (
            f"{unanswered:,} of {rows.height:,} requests got no answer: the model knows no failures"
        )
    unknown = [each for each in rows["route"].unique().sort() if not demands.get(each)]
    if unknown:
        return f"no request of {unknown[0]} ran alone: the model does not know what it needs"
    return None


def list_capacities(evidence: AuditEvidence) -> Mapping[str, float]:
    """By queue; the last that is known."""
    known = evidence.handovers.drop_nulls(["queue", "capacity"]).sort("asked_s")
    rows = known.group_by("queue", maintain_order=True).agg(pl.col("capacity").last())
    return {"anyio": POOL_TOKENS, **dict(rows.iter_rows())}


def plan_load(phase: Phase, evidence: AuditEvidence) -> AuditLoadModel:
    """As the users asked in the phase: their routes in order, and their pauses."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name).sort("started_s")
    served = evidence.handlers.select("request_id", "pid").drop_nulls().unique("request_id")
    rows = rows.join(served, on="request_id", how="left", maintain_order="left")
    plans = []
    for _, mine in rows.group_by("user", maintain_order=True):
        gaps_s = (mine["started_s"].shift(-1) - mine["ended_s"]).drop_nulls().clip(lower_bound=0.0)
        pids = mine["pid"].drop_nulls().mode().to_list()
        plans.append(UserPlan(tuple(mine["route"]), tuple(gaps_s) or (0.0,), min(pids, default=0)))
    length_s = max(rows["started_s"], default=0.0) - phase.began_s
    return AuditLoadModel(tuple(plans), length_s, phase.users)


def simulate_levels(
    demands: Demands, capacities: Mapping[str, float], load: AuditLoadModel
) -> tuple[RouteLevel, ...]:
    programs = {route: tuple(map(build_program, each)) for route, each in demands.items()}
    model = ServiceModel(programs, capacities)
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


def measure_levels(phase: Phase, evidence: AuditEvidence) -> tuple[RouteLevel, ...]:
    """Of the answers, by their clients."""
    rows = evidence.asked.filter(pl.col("phase") == phase.name).drop_nulls("ended_s")
    span_s = max(rows["ended_s"]) - phase.began_s
    took_s = rows.select("route", took_s=pl.col("ended_s") - pl.col("started_s"))
    by_route = took_s.group_by("route", maintain_order=True).agg("took_s").sort("route")
    return tuple(summarize_levels(dict(by_route.iter_rows()), span_s))


def summarize_levels(
    responses_s: Mapping[str, Sequence[Second]], span_s: Second
) -> Iterator[RouteLevel]:
    for route in sorted(responses_s):
        took_s = responses_s[route]
        median_s, p99_s = (estimate_quantile(took_s, q) or 0.0 for q in (0.5, 0.99))
        yield RouteLevel(route, len(took_s) / span_s, 1000 * median_s, 1000 * p99_s)


def find_difference(levels: Sequence[RouteLevel], measured: Sequence[RouteLevel]) -> str | None:
    """Where the model does not give what was measured."""
    known = {each.route: each for each in levels}
    for seen in measured:
        said = known.get(seen.route, RouteLevel(seen.route, 0.0, 0.0, 0.0))
        for name, unit, is_far in (
            ("rps", "requests/s", abs(said.rps - seen.rps) > RPS_OFF * seen.rps),
            ("p50_ms", "ms at the median", is_time_off(said.p50_ms, seen.p50_ms)),
        ):
            if is_far:
                values = getattr(said, name), getattr(seen, name)
                return (
                    f"for {seen.route} the model says {values[0]:,.1f} {unit} and the audit "
                    f"measured {values[1]:,.1f}: it does not know this service"
                )
    return None


def is_time_off(said_ms: float, seen_ms: float) -> bool:
    return abs(said_ms - seen_ms) > max(TIME_OFF_MS, TIME_OFF * seen_ms)
