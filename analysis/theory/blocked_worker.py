"""A worker whose event loop is blocked by its endpoint, in simulated time."""

from dataclasses import dataclass

import simpy

from analysis.theory.worker import ClientTimeout, SimulatedWorker, Steps
from scenarios.heartbeat import TICK_S, TICKS_A_LOOK
from scenarios.units import Second

BYSTANDER = -1
IDLE_TICK_S: Second = 1.01 * TICK_S
"""A sleep lasts a little longer than asked: twenty ticks are more than two seconds."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that has been sent; `turn` happens when its answer is written.

    A bystander's /ping blocks nothing and is no user's request, but it takes its turn.
    """

    user: int
    request: simpy.Process | None
    turn: simpy.Event


class BlockedWorker(SimulatedWorker):
    """A loop whose endpoint blocks it: it goes round, and each round serves the requests that had
    come when it began, one after the other. Everything else waits for the round to end, the taking
    of new connections and the heartbeat too. A user who is answered last asks again a moment too
    late for the next round: seen in real runs, and here by what SimPy does first."""

    def abandon(self) -> None:
        """Nobody waits in a line of SimPy's."""

    def begin(self, starting_s: Second) -> None:
        self.last_tick_s = self.last_beat_s
        self.ticks = 0
        self.backlog: list[PendingRequest] = []
        """Connected as far as the kernel goes: the worker has not taken them yet. They outlive it:
        the listening socket is the master's."""
        self.fresh: list[PendingRequest] = []
        """Just taken: read when the next round begins."""
        self.readable: list[PendingRequest] = []
        self.round: list[PendingRequest] = []
        self.taken: set[int] = set()
        """Users whose connection it has."""
        self.wake = self.clock.event()
        self.clock.process(self.run(starting_s))

    def take_over(self, killed: SimulatedWorker) -> None:
        if isinstance(killed, BlockedWorker):
            self.backlog, killed.backlog = killed.backlog, []

    def serve(self, user: int) -> Steps:
        line = self.readable if user in self.taken else self.backlog
        yield self.enqueue(user, self.clock.active_process, line)
        if self.model.times_out:
            raise ClientTimeout

    def serve_ping(self) -> Steps:
        yield self.enqueue(BYSTANDER, None, self.backlog)

    def enqueue(
        self, user: int, request: simpy.Process | None, line: list[PendingRequest]
    ) -> simpy.Event:
        """What happens when it is answered."""
        turn = self.clock.event()
        line.append(PendingRequest(user, request, turn))
        if not self.wake.triggered:
            self.wake.succeed()
        return turn

    def run(self, starting_s: Second) -> Steps:
        yield self.clock.timeout(starting_s)
        while True:
            if not (self.readable or self.fresh or self.backlog):
                self.wake = self.clock.event()
                yield self.wake
                self.pass_idle_time()
            if self.clock.now - self.last_tick_s >= TICK_S:
                self.tick(self.clock.now)
            self.round, self.readable = self.readable + self.fresh, []
            self.fresh = self.take_connections()
            while self.round:
                blocks = self.round[0].request is not None
                if self.model.answers_first:
                    self.round.pop(0).turn.succeed()
                if blocks:
                    cpu_s = self.draw_half_cpu_s() + self.draw_half_cpu_s()
                    yield self.clock.timeout(cpu_s + self.model.held_s)
                if not self.alive:
                    return
                if not self.model.answers_first:
                    self.round.pop(0).turn.succeed()

    def take_connections(self) -> list[PendingRequest]:
        """They are read in the next round, after those who were there before."""
        many = len(self.backlog) if self.model.accepts == "all" else 1
        taken, self.backlog = self.backlog[:many], self.backlog[many:]
        self.taken.update(waiting.user for waiting in taken)
        return taken

    def read_last_beat_s(self) -> Second:
        if not self.wake.triggered:
            self.pass_idle_time()
        return self.last_beat_s

    def pass_idle_time(self) -> None:
        """An idle loop ticks all the time."""
        while self.clock.now - self.last_tick_s > IDLE_TICK_S:
            self.tick(self.last_tick_s + IDLE_TICK_S)

    def tick(self, now_s: Second) -> None:
        """As uvicorn's: the heartbeat is given when the last is older than half the timeout."""
        self.ticks += 1
        self.last_tick_s = now_s
        is_due = now_s - self.last_beat_s > self.model.worker_timeout_s / 2
        if self.ticks % TICKS_A_LOOK == 0 and is_due:
            self.last_beat_s = now_s

    def kill(self) -> None:
        """Resets the connections that it has taken."""
        self.alive = False
        for waiting in (*self.round, *self.readable, *self.fresh):
            if waiting.request is not None:
                waiting.request.interrupt()
