"""The prediction that formulas cannot give: medians, tails, starvation, killed workers.

A discrete-event simulation (SimPy) of a web server under load: no real time passes. The same
seed gives the same result to the last digit.

Last in first out is strict here, and so starves more users than the real thing: of 500 with 40
tokens, the newest waiter always gets the token that comes free, some forty take turns and 460
starve. With anyio 3.6.1 304 did, for up to 103 s, at about the same throughput and median. Only a
part of that gap is understood: users who take some milliseconds to ask again let the tokens reach
deeper down the stack (0.2 s of `think_s` and random CPU: 445 starve).
"""

import random
from contextlib import suppress
from dataclasses import dataclass, replace

import simpy

from analysis.stats.quantiles import estimate_quantile
from analysis.stats.quotients import divide_or_none
from analysis.theory.model import ServerModel
from analysis.theory.server import SimulatedServer
from analysis.theory.users import (
    ClosedLoad,
    RequestLimitReached,
    SimulatedLoad,
    SimulatedUsers,
    SimulationCounters,
)
from scenarios.units import Second

MOST_REQUESTS = 200_000
"""Some seconds of real time."""
ROUNDS = 2
"""Answers for each user in a window, on average, before one without any counts as starved: with
fair turns one would do, but turns are seldom quite fair."""


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Times are those of all answers inside the window, good and bad, whenever asked for. None
    where there is nothing to measure.

    window_s: as asked for, or less where `cut_short`: the simulation had sent the most requests
      that it was allowed to.
    unfinished: in flight when the window ends.
    starved: users, all there before the window, without any answer in it, good or bad. None for
      an open load, and for a window with fewer answers than ROUNDS for each user, in which fair
      turns need not have come to everybody.
    kills: of workers, inside the window.
    in_flight_mean: asked and not answered, time-weighted.
    bystander_median_s: of those who ask now and then, the unanswered with their age.
    """

    window_s: Second
    cut_short: bool
    answers: int
    failures: int
    unfinished: int
    starved: int | None
    kills: int
    ok_rps: float | None
    mean_s: Second | None
    median_s: Second | None
    p99_s: Second | None
    in_flight_mean: float | None
    bystander_median_s: Second | None = None


def simulate(
    model: ServerModel,
    load: SimulatedLoad,
    warm_up_s: Second,
    window_s: Second,
    most_requests: int = MOST_REQUESTS,
    seed: int = 1,
) -> SimulationResult:
    """`warm_up_s` counts from the moment when the last user has started. An answer belongs to the
    window in which it comes; one at the very end of a window is outside."""
    clock = simpy.Environment()
    chance = random.Random(seed)
    server = SimulatedServer(clock, model, chance)
    counters = SimulationCounters(clock, most_requests)
    SimulatedUsers(clock, server, counters, chance).start(load)
    opens_s = load.ramp_s + warm_up_s
    cut_short = False
    try:
        if opens_s > 0:
            clock.run(until=opens_s)
        counters.open_window()
        clock.run(until=opens_s + window_s)
    except RequestLimitReached:
        cut_short = True
    users = load.users if isinstance(load, ClosedLoad) else None
    found = collect_result(counters, server, users, cut_short)
    return replace(found, bystander_median_s=drain_and_find_ping_median_s(counters, model))


def drain_and_find_ping_median_s(counters: SimulationCounters, model: ServerModel) -> Second | None:
    """As in a run: users send nothing more, and what waits may be answered, for as long as the
    runner plans it."""
    pings = counters.pings.copy()
    counters.is_closed = True
    with suppress(RequestLimitReached):
        counters.clock.run(until=counters.clock.now + 2 * model.delay_s + 3.0)
    return estimate_quantile(counters.compute_ping_waits_s(pings), 0.5)


def collect_result(
    counters: SimulationCounters, server: SimulatedServer, users: int | None, cut_short: bool
) -> SimulationResult:
    counters.close_window()
    opened_s = counters.opened_s or 0.0
    window_s = counters.clock.now - opened_s
    every_s = counters.good_s + counters.bad_s
    return SimulationResult(
        window_s=window_s,
        cut_short=cut_short,
        answers=len(every_s),
        failures=len(counters.bad_s),
        unfinished=counters.in_flight,
        starved=None
        if users is None or len(every_s) < ROUNDS * users
        else users - len(counters.answered),
        kills=sum(killed_s >= opened_s for killed_s in server.killed_at_s),
        ok_rps=divide_or_none(len(counters.good_s), window_s),
        mean_s=divide_or_none(sum(every_s), len(every_s)),
        median_s=estimate_quantile(every_s, 0.5),
        p99_s=estimate_quantile(every_s, 0.99),
        in_flight_mean=divide_or_none(counters.waited_s, window_s),
    )
