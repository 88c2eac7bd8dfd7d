"""A worker whose event loop is blocked by its endpoint, in simulated time."""

import random
from dataclasses import dataclass, replace

import simpy

from analysis.theory.worker import (
    TICK_S,
    TICKS_A_LOOK,
    ClientTimeout,
    Happening,
    Life,
    System,
    Worker,
)
from scenarios.units import Second

BYSTANDER = -1


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that has been sent; `turn` happens when its answer is written.

    A bystander's /ping blocks nothing and is nobody's request here, but it takes its turn.
    """

    user: int
    request: simpy.Process | None
    turn: Happening


class BlockedWorker(Worker):
    """A loop whose endpoint blocks it: it goes round, and each round serves whoever had asked
    when it began, one after the other. Everything else waits for the round to end, the taking of
    new connections and the heartbeat too. Whoever is answered last asks again a moment too late
    for the next round: seen in real runs, and here by what SimPy does first."""

    def __init__(
        self,
        clock: simpy.Environment,
        system: System,
        chance: random.Random,
        starting_s: Second = 0.0,
    ) -> None:
        super().__init__(clock, replace(system, worker_timeout_s=0.0), chance)
        self.timeout_s = system.worker_timeout_s
        self.last_beat_s = clock.now + starting_s
        self.last_tick_s = self.last_beat_s
        self.ticks = 0
        self.backlog: list[PendingRequest] = []
        """Connected as far as the kernel goes: the worker has not taken them yet. They outlive it:
        the listening socket is the master's."""
        self.fresh: list[PendingRequest] = []
        """Just taken: read when the next round begins."""
        self.asked: list[PendingRequest] = []
        self.round: list[PendingRequest] = []
        self.taken: set[int] = set()
        """Users whose connection it has."""
        self.wake = clock.event()
        clock.process(self.run(starting_s))

    def take_over(self, killed: Worker) -> None:
        if isinstance(killed, BlockedWorker):
            self.backlog, killed.backlog = killed.backlog, []

    def serve(self, user: int) -> Life:
        myself = self.clock.active_process
        assert myself is not None  # only ever run as a process
        waiting = PendingRequest(user, myself, self.clock.event())
        self.enqueue(waiting, self.asked if user in self.taken else self.backlog)
        yield waiting.turn
        if self.system.times_out:
            raise ClientTimeout

    def serve_ping(self) -> Life:
        waiting = PendingRequest(BYSTANDER, None, self.clock.event())
        self.enqueue(waiting, self.backlog)
        yield waiting.turn

    def enqueue(self, waiting: PendingRequest, line: list[PendingRequest]) -> None:
        line.append(waiting)
        if not self.wake.triggered:
            self.wake.succeed()

    def run(self, starting_s: Second) -> Life:
        yield self.clock.timeout(starting_s)
        while True:
            if not (self.asked or self.fresh or self.backlog):
                self.wake = self.clock.event()
                yield self.wake
                self.last_beat_s = self.clock.now  # an idle loop ticks all the time
            self.tick()
            self.round, self.asked = self.asked + self.fresh, []
            self.fresh = self.take_connections()
            while self.round:
                holds = self.round[0].request is not None
                if self.system.answers_first:
                    self.round.pop(0).turn.succeed()
                if holds:
                    cpu_s = self.draw_half_cpu_s() + self.draw_half_cpu_s()
                    yield self.clock.timeout(cpu_s + self.system.held_s)
                if not self.alive:
                    return
                if not self.system.answers_first:
                    self.round.pop(0).turn.succeed()

    def take_connections(self) -> list[PendingRequest]:
        """They are read in the next round, after those who were there before."""
        many = len(self.backlog) if self.system.accepts == "all" else 1
        taken, self.backlog = self.backlog[:many], self.backlog[many:]
        self.taken.update(waiting.user for waiting in taken)
        return taken

    def tick(self) -> None:
        if self.clock.now - self.last_tick_s < TICK_S:
            return
        self.ticks += 1
        self.last_tick_s = self.clock.now
        if self.ticks % TICKS_A_LOOK == 0 and self.is_beat_due():
            self.last_beat_s = self.clock.now

    def is_beat_due(self) -> bool:
        return self.clock.now - self.last_beat_s > self.timeout_s / 2

    def kill(self) -> None:
        """Resets the connections that it has taken."""
        self.alive = False
        for waiting in (*self.round, *self.asked, *self.fresh):
            if waiting.request is not None:
                waiting.request.interrupt()
