"""A web server's worker as the stations of queueing theory."""

from analysis.theory.networks import EXACT_UP_TO, compute_asymptotic_bounds, compute_throughputs
from analysis.theory.stations import Delay, FlowEquivalent, MultiServer, Queue, Station
from analysis.theory.worker import System


def build_stations(system: System) -> tuple[Station, ...]:
    """One worker. Timeouts of the client, killed workers and the order of the pool's queue have
    no formula: `analysis.theory.simulation` has them. Raises ValueError if a request takes no time.

    Who holds a token of the pool may still wait for the interpreter or a connection, so a pool
    is the flow equivalent of what it encloses, with at most its tokens inside. It is named after
    what fills up first: itself, or a station inside. More tokens than EXACT_UP_TO count as so
    many.
    """
    if system.style == "async def that blocks":
        return (Queue("blocked loop", system.loop_cpu_s + system.held_s),)
    if system.answers_first:
        return (build_interpreter(system),)
    inside = (build_interpreter(system), build_upstream(system))
    if system.style == "async def":
        return inside
    tokens = min(system.pool, EXACT_UP_TO)
    first_full = compute_asymptotic_bounds(tokens, 0.0, inside).limited_by
    name = "pool" if first_full == "users" else first_full
    return (FlowEquivalent(name, compute_throughputs(tokens, 0.0, inside)),)


def build_interpreter(system: System) -> Station:
    """Whoever blocks the loop now and then is part of what each request needs of it."""
    blocked_s = system.blocked_by_rare_s
    name = "blocked loop" if blocked_s > system.loop_cpu_s else "interpreter"
    return Queue(name, system.loop_cpu_s + blocked_s)


def build_upstream(system: System) -> Station:
    """Whoever blocks the loop meanwhile does not wait here."""
    delay_s = system.delay_s - system.blocked_by_rare_s
    if system.connections is None:
        return Delay("upstream", delay_s)
    return MultiServer("connections", delay_s, system.connections)
