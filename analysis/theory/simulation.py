"""Simulation for figures without formulas: medians, tails, starvation, killed workers.

It is a discrete-event simulation (SimPy) of a web server under load, in simulated time. The same
seed gives exactly the same result.

Last in first out is strict here, so more users starve than in reality: with 500 users and 40
tokens, the newest waiting request always gets the next free token, about 40 users take turns and
460 starve. With anyio 3.6.1, 304 starved, for up to 103 s, at about the same throughput and median.
The gap is only partly understood: users who take a few milliseconds to send again let tokens reach
deeper into the stack (0.2 s of `think_s` and random CPU: 445 starve).
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
"""Takes a few seconds of real time."""
RESTART_S: Second = 1.0
"""From a worker's kill until its successor serves: fork, imports, startup."""
ROUNDS = 2
"""Mean responses per user in a window before a user without any counts as starved: with fair turns
one would do, but turns are rarely fair."""


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Times are those of all responses in the window, successful or not, whenever sent; None
    without any.

    window_s: as requested, or less if `cut_short`, since the simulation reached its limit of
      requests.
    unfinished: in flight when the window ends.
    starved: users, all started before the window, without any response in it. None for an open
      loop, and for a window with fewer responses than ROUNDS per user, in which even fair turns
      may not reach every user.
    kills: of workers, in the window.
    bystander_median_s: of background requests, with unanswered ones at their age.
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
        """Add queueing time to every response; a background request waits `ping_turns` times."""

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
    """The workers, and the master that replaces workers with a late heartbeat."""

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
                # create the successor first: users who lose their connection send again at once
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
    """Simulate a run. `warm_up_s` counts from the last user's start. A response belongs to the
    window in which it arrives; one exactly at a window's end is outside."""
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
        if clock.now < opens_s:  # the window never opened: discard the warm-up
            counters.open_window()
    users = None if load.is_open else load.users
    found = collect_result(counters, server, users, cut_short)
    return replace(found, bystander_median_s=drain_and_find_ping_median_s(counters, server))


def drain_and_find_ping_median_s(
    counters: SimulationCounters, server: SimulatedServer
) -> Second | None:
    """Drain as in a run: users send nothing more, and waiting requests may be answered, for as long
    as the runner plans. An unanswered background request counts with its age."""
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
