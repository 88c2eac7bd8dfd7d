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

from analysis.stats.quantiles import divide_or_none, estimate_quantile
from analysis.theory.blocked_worker import BlockedWorker
from analysis.theory.model import ServerModel
from analysis.theory.users import RequestLimitReached, SimulatedUsers, SimulationCounters
from analysis.theory.worker import SimulatedWorker, Steps
from scenarios.model import Load
from scenarios.units import Second

MOST_REQUESTS = 200_000
"""Some seconds of real time."""
RESTART_S: Second = 1.0
"""From the kill of a worker until the one after it serves: fork, imports, startup."""
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
    bystander_median_s: Second | None = None

    def lengthen(self, by_s: Second, ping_turns: int) -> "SimulationResult":
        """With so much more of a queue before everybody; a ping is in it so many times."""

        def add(value_s: Second | None, more_s: Second) -> Second | None:
            return None if value_s is None else value_s + more_s

        return replace(
            self,
            starved=None,
            mean_s=add(self.mean_s, by_s),
            median_s=add(self.median_s, by_s),
            p99_s=add(self.p99_s, by_s),
            bystander_median_s=add(self.bystander_median_s, ping_turns * by_s),
        )


class SimulatedServer:
    """Workers, and the master that replaces those whose heartbeat is late."""

    def __init__(self, clock: simpy.Environment, model: ServerModel, chance: random.Random) -> None:
        self.clock = clock
        self.model = model
        self.chance = chance
        self.killed_at_s: list[Second] = []
        self.workers = [self.create_worker() for _ in range(model.workers)]
        if model.worker_timeout_s > 0:
            for place in range(model.workers):
                clock.process(self.watch(place))

    def create_worker(self, starting_s: Second = 0.0) -> SimulatedWorker:
        kind = BlockedWorker if self.model.blocks else SimulatedWorker
        return kind(self.clock, self.model, self.chance, starting_s)

    def watch(self, place: int) -> Steps:
        while True:
            worker = self.workers[place]
            beat_s = worker.last_beat_s
            yield self.clock.timeout(beat_s + self.model.worker_timeout_s - self.clock.now)
            if worker.read_last_beat_s() == beat_s:
                # the next one first: those who lose their connection ask again at once
                self.workers[place] = successor = self.create_worker(RESTART_S)
                self.killed_at_s.append(self.clock.now)
                successor.take_over(worker)
                worker.kill()


def simulate(
    model: ServerModel,
    load: Load,
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
    SimulatedUsers(clock, server.workers, counters, chance).start(load)
    ramp_s = 0.0 if load.is_open else load.users / load.spawn_rate
    opens_s = ramp_s + warm_up_s
    cut_short = False
    try:
        if opens_s > 0:
            clock.run(until=opens_s)
        counters.open_window()
        clock.run(until=opens_s + window_s)
    except RequestLimitReached:
        cut_short = True
        if clock.now < opens_s:  # nothing is known of a window that never opened
            counters.open_window()
    users = None if load.is_open else load.users
    found = collect_result(counters, server, users, cut_short)
    return replace(found, bystander_median_s=drain_and_find_ping_median_s(counters, server))


def drain_and_find_ping_median_s(
    counters: SimulationCounters, server: SimulatedServer
) -> Second | None:
    """As in a run: users send nothing more, and what waits may be answered, for as long as the
    runner plans it. A ping without an answer has waited until then, and goes on waiting."""
    asked_s = tuple(counters.pings)
    counters.is_closed = True
    with suppress(RequestLimitReached):
        counters.clock.run(until=counters.clock.now + 2 * server.model.delay_s + 3.0)
    for each in server.workers:
        each.abandon()
    ends_s = [(sent_s, counters.pings[sent_s]) for sent_s in asked_s]
    now_s = counters.clock.now
    waits_s = [(now_s if ended_s is None else ended_s) - sent_s for sent_s, ended_s in ends_s]
    return estimate_quantile(waits_s, 0.5)


def collect_result(
    counters: SimulationCounters, server: SimulatedServer, users: int | None, cut_short: bool
) -> SimulationResult:
    window_s = counters.clock.now - counters.opened_s
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
        kills=sum(killed_s >= counters.opened_s for killed_s in server.killed_at_s),
        ok_rps=divide_or_none(len(counters.good_s), window_s),
        mean_s=divide_or_none(sum(every_s), len(every_s)),
        median_s=estimate_quantile(every_s, 0.5),
        p99_s=estimate_quantile(every_s, 0.99),
    )
