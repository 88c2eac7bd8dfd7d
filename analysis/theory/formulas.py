"""A web server's worker as the stations of queueing theory."""

from analysis.theory.networks import EXACT_UP_TO, asymptotic_bounds, throughputs
from analysis.theory.stations import Delay, FlowEquivalent, MultiServer, Queue, Station
from analysis.theory.worker import System


def stations_of(system: System) -> tuple[Station, ...]:
    """One worker. Timeouts of the client, killed workers and the order of the pool's queue have
    no formula: `analysis.theory.simulation` has them. Raises ValueError if a request takes no time.

    Who holds a token of the pool may still wait for the interpreter or a connection, so a pool
    is the flow equivalent of what it encloses, with at most its tokens inside. It is named after
    what fills up first: itself, or a station inside. More tokens than EXACT_UP_TO count as so
    many.
    """
    if system.style == "async def that blocks":
        return (Queue("blocked loop", system.loop_cpu_s + system.held_s),)
    inside = (Queue("interpreter", system.loop_cpu_s), upstream(system))
    if system.style == "async def":
        return inside
    tokens = min(system.pool, EXACT_UP_TO)
    first_full = asymptotic_bounds(tokens, 0.0, inside).limited_by
    name = "pool" if first_full == "users" else first_full
    return (FlowEquivalent(name, throughputs(tokens, 0.0, inside)),)


def upstream(system: System) -> Station:
    if system.connections is None:
        return Delay("upstream", system.delay_s)
    return MultiServer("connections", system.delay_s, system.connections)
