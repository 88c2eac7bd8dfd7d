"""Forecast of an audited service with more users, and of the finding that then costs most."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.remedies import RouteLevel
from analysis.theory.audit.changes import ServiceChange, find_change, list_stretches
from analysis.theory.audit.edits import CpuEdit
from analysis.theory.audit.load import MeasuredService, PhaseLoad, summarize_levels
from analysis.theory.audit.model import AuditModel
from analysis.theory.audit.parts import Demands
from analysis.theory.audit.simulation import SimulatedPhase, UserPlan, simulate_steady_state
from scenarios.errors import CANNOT, UserError
from scenarios.units import Second

CauseKind = Literal["block", "cpu", "queue"]
FEWEST_ANSWERS, MOST_ANSWERS = 4000, 60_000
TURNS = 2
"""Turns of each user through all routes."""
MOST_CAUSES = 4
"""Maximum of causes to simulate without, by the time that requests wait for them."""
LEAST_GAIN = 0.02
"""Share of the mean response time: removing a smaller cause changes nothing."""


@dataclass(frozen=True, slots=True)
class WaitCause:
    """A cause of waiting. wait_ms: mean over all requests. routes: those that block or compute, or
    that wait for the queue, the worst first. finding: the audit's, if any. without_ms: mean
    response time without this cause; None where the model does not know it."""

    kind: CauseKind
    wait_ms: float
    routes: tuple[str, ...]
    queue: str | None = None
    capacity: float | None = None
    finding: AuditFinding | None = None
    without_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """rps, mean_ms: of all requests. causes: those whose removal shortens the mean, the worst
    first."""

    users: int
    levels: tuple[RouteLevel, ...]
    rps: float
    mean_ms: float
    causes: tuple[WaitCause, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditedService:
    """An audited service. model: one without a `reason`. cores: of its machine."""

    model: AuditModel
    found: AuditFindings
    evidence: AuditEvidence
    cores: int


def forecast_users(audited: AuditedService, users: int) -> Forecast:
    """Forecast the steady state with this many users."""
    service, load = audited.model.service, audited.model.load
    phase = simulate_users(service, load, users)
    forecast = summarize(phase, users)
    causes = sorted(list_causes(phase, audited), key=lambda each: -each.wait_ms)[:MOST_CAUSES]
    tried = (try_without(each, audited, forecast) for each in causes)
    worst = sorted(filter(None, tried), key=lambda each: each.without_ms or math.inf)
    return replace(forecast, causes=tuple(worst))


def try_without(cause: WaitCause, audited: AuditedService, forecast: Forecast) -> WaitCause | None:
    """Simulate without the cause; None where requests would hardly be faster."""
    if cause.wait_ms < LEAST_GAIN * forecast.mean_ms:
        return None
    change = find_cause_change(cause, audited)
    if change.reason is not None:
        return cause
    changed = change.apply(audited.model.service)
    without = summarize(simulate_users(changed, audited.model.load, forecast.users), forecast.users)
    if without.mean_ms > (1 - LEAST_GAIN) * forecast.mean_ms:
        return None
    return replace(cause, without_ms=without.mean_ms)


def simulate_users(service: MeasuredService, load: PhaseLoad, users: int) -> SimulatedPhase:
    plans = multiply_plans(load.plans, load.users, users)
    routes = {route for each in plans for route in each.routes}
    answers = min(MOST_ANSWERS, max(FEWEST_ANSWERS, TURNS * users * len(routes)))
    starting_s = sum(measure_alone_s(service.demands, each) for each in routes)
    phase = simulate_steady_state(service.build_model(), plans, answers, starting_s)
    if not phase.responses_s:
        raise UserError(
            f"--users {users}: no request is answered, because calls that hold all threads wait "
            "for calls that need one; use fewer users",
            CANNOT,
        )
    return phase


def summarize(phase: SimulatedPhase, users: int) -> Forecast:
    took_s = [took_s for each in phase.responses_s.values() for took_s in each]
    return Forecast(
        users=users,
        levels=tuple(summarize_levels(phase.responses_s, phase.span_s)),
        rps=len(took_s) / phase.span_s,
        mean_ms=1000 * sum(took_s) / len(took_s),
    )


def multiply_plans(plans: Sequence[UserPlan], recorded: int, users: int) -> tuple[UserPlan, ...]:
    """Copy the recorded users' plans, each with another start in its order. Add the plans beyond
    those users, such as the background one, unchanged."""
    own, others = plans[:recorded], plans[recorded:]
    copies = (rotate(own[number % len(own)], number // len(own)) for number in range(users))
    return (*copies, *others)


def rotate(plan: UserPlan, by: int) -> UserPlan:
    place = by % len(plan.routes)
    return replace(plan, routes=(*plan.routes[place:], *plan.routes[:place]))


def measure_alone_s(demands: Demands, route: str) -> Second:
    """Compute the mean response time of a request that runs alone."""
    return sum(each.alone_s for each in demands[route]) / len(demands[route])


def list_causes(phase: SimulatedPhase, audited: AuditedService) -> Iterator[WaitCause]:
    requests = sum(map(len, phase.responses_s.values()))
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
        cause = build_cause("block", by_route, requests)
        yield replace(cause, finding=None if owner is None else owners[owner][0])
    yield build_cause("cpu", computing, requests)
    queues: dict[str, dict[str, Second]] = defaultdict(dict)
    for (queue, route), seconds in phase.ledger.queue_s.items():
        queues[queue][route] = seconds
    for queue, by_route in queues.items():
        capacity = audited.model.service.limits.capacities[queue]
        cause = build_cause("queue", by_route, requests)
        found = find_queue_wait(queue, audited.found)
        yield replace(cause, queue=queue, capacity=capacity, finding=found)


def build_cause(kind: CauseKind, seconds: Mapping[str, Second], requests: int) -> WaitCause:
    """seconds: by route."""
    routes = sorted(seconds, key=lambda each: -seconds[each])
    return WaitCause(kind, 1000 * sum(seconds.values()) / requests, tuple(routes))


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
