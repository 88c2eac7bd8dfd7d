"""Simulated users: they send requests and record the responses."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import simpy

from analysis.theory.worker import ClientTimeout, SimulatedWorker, Steps
from scenarios.model import Load
from scenarios.units import Second

FIRST_PING_S: Second = 0.1
"""After the first user: Locust needs 0.9 s to start, the bystander none."""


class RequestLimitReached(Exception):
    """The simulation sent the maximum number of requests."""


@dataclass(slots=True)
class SimulationCounters:
    """Counters of the users' requests, reset when the window opens."""

    clock: simpy.Environment
    most_requests: int
    sent: int = 0
    in_flight: int = 0
    opened_s: Second = 0.0
    good_s: list[Second] = field(default_factory=list)
    bad_s: list[Second] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    pings: dict[Second, Second | None] = field(default_factory=dict)
    """Times of background requests since the window's start, and of their responses."""
    is_closed: bool = False
    """True once the window is over: users send no more."""

    def open_window(self) -> None:
        self.opened_s = self.clock.now
        for seen in (self.good_s, self.bad_s, self.answered, self.pings):
            seen.clear()

    def record_request(self) -> None:
        """Raises RequestLimitReached, which ends the simulation."""
        if self.sent == self.most_requests:
            raise RequestLimitReached
        self.sent += 1
        self.in_flight += 1

    def record_answer(self, user: int, took_s: Second, good: bool) -> None:
        self.in_flight -= 1
        (self.good_s if good else self.bad_s).append(took_s)
        self.answered.add(user)


@dataclass(frozen=True, slots=True)
class SimulatedUsers:
    """In a closed loop, each user waits for a response, thinks, and sends again. They start one
    after another; user i always uses worker i mod workers. In an open loop, requests arrive
    independently of responses, each at a random worker."""

    clock: simpy.Environment
    workers: Sequence[SimulatedWorker]
    """The workers that are currently alive."""
    counters: SimulationCounters
    chance: random.Random

    def start(self, load: Load) -> None:
        self.clock.process(self.run_bystander())
        if load.arrival_rate is not None:
            self.clock.process(self.run_arrivals(load.arrival_rate, load.arrivals == "poisson"))
        else:
            for number in range(load.users):
                self.clock.process(self.run_user(number, load))

    def run_user(self, number: int, load: Load) -> Steps:
        place = number % len(self.workers)
        yield self.clock.timeout(number / load.spawn_rate)
        while not self.counters.is_closed:
            yield from self.send_request(number, self.workers[place])
            if load.think_s > 0:
                spread_s = load.think_spread_s
                pause_s = self.chance.uniform(-spread_s, spread_s) if spread_s else 0.0
                yield self.clock.timeout(load.think_s + pause_s)

    def run_bystander(self) -> Steps:
        """Send the runner's background requests, each on a new connection: if a blocked loop
        accepts one connection per round, it takes a user's place."""
        yield self.clock.timeout(FIRST_PING_S)
        while True:
            self.clock.process(self.send_ping(self.workers[0]))
            yield self.clock.timeout(self.workers[0].model.bystander_every_s)

    def send_ping(self, worker: SimulatedWorker) -> Steps:
        sent_s = self.clock.now
        self.counters.pings[sent_s] = None
        yield from worker.serve_ping()
        self.counters.pings[sent_s] = self.clock.now

    def run_arrivals(self, rate: float, at_random: bool) -> Steps:
        number = 0
        while not self.counters.is_closed:
            yield self.clock.timeout(self.chance.expovariate(rate) if at_random else 1 / rate)
            self.clock.process(self.send_request(number, self.chance.choice(self.workers)))
            number += 1

    def send_request(self, user: int, worker: SimulatedWorker) -> Steps:
        sent_s = self.clock.now
        self.counters.record_request()
        myself = self.clock.active_process
        assert myself is not None  # only ever run as a process
        worker.in_flight[myself] = None
        good = True
        try:
            yield from worker.serve(user)
        except (ClientTimeout, simpy.Interrupt):
            good = False
        del worker.in_flight[myself]
        self.counters.record_answer(user, self.clock.now - sent_s, good)
