"""Forecast of an audited service with more users, and of what its requests then wait for."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean as mean

from analysis.findings.remedies import RouteLevel
from analysis.theory.audit.causes import (
    AuditedService,
    WaitCause,
    find_cause_change,
    list_causes,
)
from analysis.theory.audit.changes import ServiceChange
from analysis.theory.audit.load import MeasuredService, PhaseLoad, summarize_levels
from analysis.theory.audit.parts import Demands
from analysis.theory.audit.programs import build_program
from analysis.theory.audit.simulation import (
    ServiceModel,
    SimulatedPhase,
    UserPlan,
    simulate_phase,
    simulate_steady_state,
)
from scenarios.errors import CANNOT, UserError
from scenarios.units import Second

FEWEST_ANSWERS, MOST_ANSWERS = 4000, 60_000
TURNS = 2
"""Turns of each user through all routes."""
MOST_CAUSES = 8
"""Maximum of causes to simulate without, by the time that requests wait for them."""
LEAST_GAIN = 0.02
"""Share of the mean response time: a smaller difference is none."""
LEAST_MS = 0.01
"""A response time alone counts as at least this: the audit's clocks show no shorter one."""
SLOW = 2.0
"""A route is slow if it takes longer than this many times its mean response time alone."""
MUCH = 0.1
"""Share of the response time: a longer wait is named even if no change shortens it."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """rps, mean_ms: of all requests. times_alone: the largest ratio of a route's mean response time
    to that of its requests that run alone. causes: those whose removal shortens the mean, and those
    for which requests wait much; the longest wait first."""

    users: int
    levels: tuple[RouteLevel, ...]
    rps: float
    mean_ms: float
    times_alone: float
    causes: tuple[WaitCause, ...] = ()


def forecast_users(audited: AuditedService, users: int) -> Forecast:
    """Forecast the steady state with this many users."""
    service, load = audited.model.service, audited.model.load
    phase = simulate_users(service, load, users)
    forecast = Forecast(
        users=users,
        levels=tuple(summarize_levels(phase.responses_s, phase.span_s)),
        rps=sum(map(len, phase.responses_s.values())) / phase.span_s,
        mean_ms=measure_mean_ms(phase),
        times_alone=max(
            1000 * mean(took_s) / simulate_alone_ms(service, route)
            for route, took_s in phase.responses_s.items()
        ),
    )
    waits = (each for each in list_causes(phase, audited) if each.wait_ms > 0)
    causes = sorted(waits, key=lambda each: -each.wait_ms)[:MOST_CAUSES]
    return replace(forecast, causes=tuple(try_without(causes, audited, forecast)))


def try_without(
    causes: Sequence[WaitCause], audited: AuditedService, forecast: Forecast
) -> Iterator[WaitCause]:
    """Simulate without each cause, and yield those to name."""
    changes = [find_cause_change(each, audited) for each in causes]
    measure_ms = partial(measure_without_ms, audited, forecast.users)
    tried = [
        replace(each, without_ms=measure_ms(change))
        for each, change in zip(causes, changes, strict=True)
    ]
    named = [number for number, each in enumerate(tried) if is_named(each, forecast)]
    if tried and (named or forecast.times_alone > SLOW):
        named = sorted({0, *named})  # the longest wait comes first, even if no change shortens it
    for number in named:
        cause = tried[number]
        both = (
            replace(cause, other=other, without_both_ms=measure_ms(changes[number], change))
            for other, change in zip(tried, changes, strict=True)
            if other is not cause and is_moved(cause, forecast)
        )
        helping = (each for each in both if helps_together(each, forecast))
        yield min(helping, key=rank_pair, default=cause)


def measure_without_ms(
    audited: AuditedService, users: int, *changes: ServiceChange
) -> float | None:
    """Return the mean response time after these changes; None if the model does not know one."""
    if any(each.reason is not None for each in changes):
        return None
    service = audited.model.service
    for each in changes:
        service = each.apply(service)
    return measure_mean_ms(simulate_users(service, audited.model.load, users))


def is_named(cause: WaitCause, forecast: Forecast) -> bool:
    if cause.without_ms is None:
        return cause.share >= LEAST_GAIN
    if is_shorter(cause.without_ms, forecast.mean_ms):
        return forecast.times_alone > SLOW or cause.share >= LEAST_GAIN
    return cause.share >= MUCH


def is_moved(cause: WaitCause, forecast: Forecast) -> bool:
    """Return True if without the cause most of its wait is elsewhere."""
    if cause.without_ms is None or cause.kind == "cpu":
        return False
    return forecast.mean_ms - cause.without_ms < cause.wait_ms / 2


def helps_together(cause: WaitCause, forecast: Forecast) -> bool:
    """Return True if requests are faster without both causes than without either one."""
    if cause.without_both_ms is None or cause.other is None:
        return False
    one_ms = forecast.mean_ms, cause.without_ms, cause.other.without_ms
    both_ms = cause.without_both_ms
    return all(is_shorter(both_ms, each) for each in one_ms if each is not None)


def is_shorter(changed_ms: float, mean_ms: float) -> bool:
    return changed_ms <= (1 - LEAST_GAIN) * mean_ms


def rank_pair(cause: WaitCause) -> tuple[bool, float]:
    """Rank findings and queues before CPU, which no single change removes."""
    is_cpu = cause.other is not None and cause.other.kind == "cpu"
    return is_cpu, cause.without_both_ms or math.inf


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


def measure_mean_ms(phase: SimulatedPhase) -> float:
    return 1000 * mean(took_s for each in phase.responses_s.values() for took_s in each)


def simulate_alone_ms(service: MeasuredService, route: str) -> float:
    """Simulate each measured request of a route alone, and return the mean response time."""
    alone = UserPlan((route,), gaps_s=(1.0,))  # its second request would come after the end
    phases = (
        simulate_phase(ServiceModel({route: (build_program(each),)}, service.limits), (alone,), 1.0)
        for each in service.demands[route]
    )
    took_ms = (1000 * took_s for each in phases for took_s in each.responses_s[route])
    return max(LEAST_MS, mean(took_ms))


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
