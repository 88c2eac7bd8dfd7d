"""The prediction that formulas cannot give: medians, tails, starvation, killed workers.

A discrete-event simulation (SimPy) of a web server under load: no real time passes. The same
seed gives the same result to the last digit.
"""

import random
from contextlib import suppress
from dataclasses import dataclass, replace

import simpy

from analysis.stats.quantiles import estimate_quantile
from analysis.theory.server import SimulatedServer
from analysis.theory.users import (
    ClosedLoad,
    Load,
    OpenLoad,
    RequestLimitReached,
    SimulatedUsers,
    SimulationCounters,
)
from analysis.theory.worker import System
from scenarios.units import Second

__all__ = ["ClosedLoad", "Load", "OpenLoad", "SimulationResult", "System", "simulate"]

MOST_REQUESTS = 200_000
"""Some seconds of real time."""
ROUNDS = 2
"""Answers for each user in a window, on average, before one without any counts as starved: with
fair turns one would do, but turns are seldom quite fair."""


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Times are those of all answers inside the window, good and bad, whenever asked for;
    `ok_median_s` of the good ones only. None where there is nothing to measure.

    window_s: as asked for, or less where `cut_short`: the simulation had sent the most requests
      that it was allowed to.
    unfinished: in flight when the window ends.
    starved: users, all there before the window, without any answer in it, good or bad. None for
      an open load, and for a window with fewer answers than ROUNDS for each user, in which fair
      turns need not have come to everybody.
    kills: of workers, inside the window.
    in_flight_mean: asked and not answered, time-weighted.
    backlog_growth_per_s: how much more was in flight at the window's end than at its start.
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
    ok_median_s: Second | None
    p95_s: Second | None
    p99_s: Second | None
    in_flight_mean: float | None
    backlog_growth_per_s: float | None
    bystander_median_s: Second | None


def simulate(
    system: System,
    load: Load,
    warm_up_s: Second,
    window_s: Second,
    seed: int = 1,
    most_requests: int = MOST_REQUESTS,
) -> SimulationResult:
    """`warm_up_s` counts from the moment when the last user has started. An answer belongs to the
    window in which it comes; one at the very end of a window is outside.

    Last in first out is strict here, and so starves more users than the real thing: of 500 with
    40 tokens, the newest waiter always gets the token that comes free, some forty take turns and
    460 starve. With anyio 3.6.1 304 did, for up to 103 s, at about the same throughput and
    median. Only a part of that gap is understood: users who take some milliseconds to ask again
    let the tokens reach deeper down the stack (0.2 s of `think_s` and random CPU: 445 starve).
    """
    clock = simpy.Environment()
    chance = random.Random(seed)
    server = SimulatedServer(clock, system, chance)
    ledger = SimulationCounters(clock, most_requests)
    SimulatedUsers(clock, server, ledger, chance).start(load)
    opens_s = load.ramp_s + warm_up_s
    cut_short = False
    try:
        if opens_s > 0:
            clock.run(until=opens_s)
        ledger.open_window()
        clock.run(until=opens_s + window_s)
    except RequestLimitReached:
        cut_short = True
    users = load.users if isinstance(load, ClosedLoad) else None
    found = collect_result(ledger, server, users, cut_short)
    asked = ledger.passing.copy()
    with suppress(
        RequestLimitReached
    ):  # as in a run: users send nothing more, and who waits may be answered
        ledger.is_quiet = True
        clock.run(until=clock.now + compute_drain_s(system))
    waits_s = ledger.compute_ping_waits_s(asked)
    return replace(found, bystander_median_s=estimate_quantile(waits_s, 0.5))


def compute_drain_s(system: System) -> Second:
    """As the runner plans it."""
    return 2 * system.delay_s + 3.0


def collect_result(
    ledger: SimulationCounters, server: SimulatedServer, users: int | None, cut_short: bool
) -> SimulationResult:
    ledger.close_window()
    opened_s = ledger.opened_s or 0.0
    window_s = ledger.clock.now - opened_s
    every_s = ledger.good_s + ledger.bad_s
    return SimulationResult(
        window_s=window_s,
        cut_short=cut_short,
        answers=len(every_s),
        failures=len(ledger.bad_s),
        unfinished=ledger.in_flight,
        starved=count_starved_users(ledger, users),
        kills=sum(killed_s >= opened_s for killed_s in server.killed_at_s),
        ok_rps=compute_quotient(len(ledger.good_s), window_s),
        mean_s=compute_quotient(sum(every_s), len(every_s)),
        median_s=estimate_quantile(every_s, 0.5),
        ok_median_s=estimate_quantile(ledger.good_s, 0.5),
        p95_s=estimate_quantile(every_s, 0.95),
        p99_s=estimate_quantile(every_s, 0.99),
        in_flight_mean=compute_quotient(ledger.waited_s, window_s),
        bystander_median_s=None,
        backlog_growth_per_s=compute_quotient(ledger.in_flight - ledger.in_flight_before, window_s),
    )


def count_starved_users(ledger: SimulationCounters, users: int | None) -> int | None:
    answers = len(ledger.good_s) + len(ledger.bad_s)
    if users is None or answers < ROUNDS * users:
        return None
    return users - len(ledger.answered)


def compute_quotient(total: float, whole: float) -> float | None:
    return total / whole if whole > 0 else None
