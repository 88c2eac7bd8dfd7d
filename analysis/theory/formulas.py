"""A web server's worker as the stations of queueing theory."""

from analysis.theory.model import ServerModel
from analysis.theory.networks import (
    EXACT_UP_TO,
    Delay,
    FlowEquivalent,
    MultiServer,
    Queue,
    Station,
    compute_asymptotic_bounds,
    compute_highest_rps,
    compute_throughputs,
)


def build_stations(model: ServerModel) -> tuple[Station, ...]:
    """One worker. Timeouts of the client, killed workers and the order of the pool's queue have
    no formula: `analysis.theory.simulation` has them. Raises ValueError if a request takes no time.

    A request that holds a token of the pool may still wait for the interpreter or a connection, so
    a pool is the flow equivalent of what it encloses, with at most its tokens inside. It is named
    after what fills up first: itself, or a station inside. More tokens than EXACT_UP_TO count as so
    many.
    """
    if model.blocks:
        return (Queue("blocked loop", model.loop_cpu_s + model.held_s),)
    if model.answers_first:
        return (build_interpreter(model),)
    inside = (build_interpreter(model), build_upstream(model))
    if model.style == "async def":
        return inside
    tokens = min(model.pool, EXACT_UP_TO)
    first_full = compute_asymptotic_bounds(tokens, 0.0, inside).limited_by
    name = "pool" if first_full == "users" else first_full
    return (FlowEquivalent(name, compute_throughputs(tokens, 0.0, inside)),)


def build_interpreter(model: ServerModel) -> Station:
    """A request that blocks the loop now and then is part of what each request needs of it."""
    blocked_s = model.blocked_by_rare_s
    name = "blocked loop" if blocked_s > model.loop_cpu_s else "interpreter"
    return Queue(name, model.loop_cpu_s + blocked_s)


def build_upstream(model: ServerModel) -> Station:
    """A request that blocks the loop meanwhile does not wait here."""
    delay_s = model.delay_s - model.blocked_by_rare_s
    if model.connections is None:
        return Delay("upstream", delay_s)
    return MultiServer("connections", delay_s, model.connections)


def find_bottleneck(model: ServerModel) -> Station:
    """The station of one worker that can do the least."""
    return min(build_stations(model), key=compute_highest_rps)
