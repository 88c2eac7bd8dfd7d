"""Those who send requests in simulated time, and what they see."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import simpy

from analysis.theory.server import SimulatedServer
from analysis.theory.worker import ClientTimeout, Life, Worker
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class ClosedLoad:
    """Each user waits for its answer, good or bad, thinks, and asks again. They start one after
    another, `spawn_rate` a second; user i always asks worker i mod workers."""

    users: int
    think_s: Second = 0.0
    spawn_rate: float = 50.0

    @property
    def ramp_s(self) -> Second:
        return self.users / self.spawn_rate


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """Requests arrive whether or not others were answered, each at a worker chosen at random."""

    rate_per_s: float
    arrivals: Literal["constant", "poisson"] = "poisson"

    @property
    def ramp_s(self) -> Second:
        return 0.0


Load = ClosedLoad | OpenLoad


FIRST_PING_S: Second = 0.1
"""After the first user: Locust needs 0.9 s to begin, and the bystander none."""


class RequestLimitReached(Exception):
    """As many requests were sent as may be simulated."""


@dataclass(slots=True)
class SimulationCounters:
    """What the users see; begun anew when the window opens."""

    clock: simpy.Environment
    most_requests: int
    asked: int = 0
    in_flight: int = 0
    in_flight_before: int = 0
    opened_s: Second | None = None
    """None while the warm-up lasts."""
    changed_s: Second = 0.0
    waited_s: Second = 0.0
    """Summed over all that were in flight: the area under their number."""
    good_s: list[Second] = field(default_factory=list)
    bad_s: list[Second] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    passing: dict[Second, Second | None] = field(default_factory=dict)
    """When a bystander asked, from the window's begin on, and when it was answered."""
    is_quiet: bool = False
    """Whether the window is over: nobody asks any more."""

    def open_window(self) -> None:
        self.opened_s = self.changed_s = self.clock.now
        self.in_flight_before = self.in_flight
        self.waited_s = 0.0
        self.good_s.clear()
        self.bad_s.clear()
        self.answered.clear()
        self.passing.clear()

    def compute_ping_waits_s(self, asked: Iterable[Second]) -> list[Second]:
        """Of those who asked then; who has no answer has waited until now, and goes on waiting."""
        ends = ((asked_s, self.passing[asked_s]) for asked_s in asked)
        return [
            (self.clock.now if ended_s is None else ended_s) - asked_s for asked_s, ended_s in ends
        ]

    def record_request(self) -> None:
        """Raises Enough, which ends the simulation."""
        if self.asked == self.most_requests:
            raise RequestLimitReached
        self.asked += 1
        self.update_in_flight(+1)

    def record_answer(self, user: int, took_s: Second, good: bool) -> None:
        self.update_in_flight(-1)
        (self.good_s if good else self.bad_s).append(took_s)
        self.answered.add(user)

    def update_in_flight(self, in_flight: int) -> None:
        self.waited_s += self.in_flight * (self.clock.now - self.changed_s)
        self.changed_s = self.clock.now
        self.in_flight += in_flight

    def close_window(self) -> None:
        """The last stretch of waiting, up to now; all of nothing if the window never opened."""
        if self.opened_s is None:
            self.open_window()
        self.update_in_flight(0)


@dataclass(frozen=True, slots=True)
class SimulatedUsers:
    clock: simpy.Environment
    server: SimulatedServer
    ledger: SimulationCounters
    chance: random.Random

    def start(self, load: Load) -> None:
        self.clock.process(self.run_bystander())
        if isinstance(load, ClosedLoad):
            for number in range(load.users):
                self.clock.process(self.run_user(number, load))
        else:
            self.clock.process(self.run_arrivals(load))

    def run_user(self, number: int, load: ClosedLoad) -> Life:
        place = number % len(self.server.workers)
        yield self.clock.timeout(number / load.spawn_rate)
        while not self.ledger.is_quiet:
            yield from self.send_request(number, self.server.workers[place])
            if load.think_s > 0:
                yield self.clock.timeout(load.think_s)

    def run_bystander(self) -> Life:
        """The runner's own requests, each on a new connection: where a blocked loop takes but one
        connection in each round, it takes a user's place."""
        yield self.clock.timeout(FIRST_PING_S)
        while True:
            self.clock.process(self.send_ping(self.server.workers[0]))
            yield self.clock.timeout(self.server.system.bystander_every_s)

    def send_ping(self, worker: Worker) -> Life:
        asked_s = self.clock.now
        self.ledger.passing[asked_s] = None
        yield from worker.serve_ping()
        self.ledger.passing[asked_s] = self.clock.now

    def run_arrivals(self, load: OpenLoad) -> Life:
        number = 0
        while not self.ledger.is_quiet:
            yield self.clock.timeout(self.draw_interarrival_s(load))
            self.clock.process(self.send_request(number, self.chance.choice(self.server.workers)))
            number += 1

    def draw_interarrival_s(self, load: OpenLoad) -> Second:
        if load.arrivals == "poisson":
            return self.chance.expovariate(load.rate_per_s)
        return 1 / load.rate_per_s

    def send_request(self, user: int, worker: Worker) -> Life:
        asked_s = self.clock.now
        self.ledger.record_request()
        myself = self.clock.active_process
        assert myself is not None  # only ever run as a process
        worker.in_flight[myself] = None
        good = True
        try:
            yield from worker.serve(user)
        except (ClientTimeout, simpy.Interrupt):
            good = False
        del worker.in_flight[myself]
        self.ledger.record_answer(user, self.clock.now - asked_s, good)
