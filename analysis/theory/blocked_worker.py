"""Simulation of a worker whose endpoint blocks its event loop."""

from dataclasses import dataclass

import simpy

from analysis.theory.worker import ClientTimeout, SimulatedWorker, Steps
from scenarios.heartbeat import TICK_S, TICKS_A_LOOK
from scenarios.units import Second

BYSTANDER = -1
IDLE_TICK_S: Second = 1.01 * TICK_S
"""A sleep lasts slightly longer than requested: twenty ticks take more than two seconds."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that was sent; `turn` triggers when its response is written.

    A bystander's /ping blocks nothing and belongs to no user, but takes its turn.
    """

    user: int
    request: simpy.Process | None
    turn: simpy.Event


class BlockedWorker(SimulatedWorker):
    """An event loop that its endpoint blocks. Each round serves the requests that had arrived at
    its start, one after the other. Everything else, also new connections and the heartbeat, waits
    for the end of the round. The user served last sends the next request slightly too late for the
    next round: observed in real runs, and reproduced here by SimPy's order of events."""

    def abandon(self) -> None:
        """Do nothing: no SimPy queue has waiting requests."""

    def begin(self, starting_s: Second) -> None:
        self.last_tick_s = self.last_beat_s
        self.ticks = 0
        self.backlog: list[PendingRequest] = []
        """Connected by the kernel, but not yet accepted by the worker. They outlive it: the
        listening socket belongs to the master."""
        self.fresh: list[PendingRequest] = []
        """Just accepted: read when the next round begins."""
        self.readable: list[PendingRequest] = []
        self.round: list[PendingRequest] = []
        self.taken: set[int] = set()
        """Users whose connections it accepted."""
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
        """Enqueue a request and return the event of its response."""
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
        """Accept connections; the next round reads them after the existing ones."""
        many = len(self.backlog) if self.model.accepts == "all" else 1
        taken, self.backlog = self.backlog[:many], self.backlog[many:]
        self.taken.update(waiting.user for waiting in taken)
        return taken

    def read_last_beat_s(self) -> Second:
        if not self.wake.triggered:
            self.pass_idle_time()
        return self.last_beat_s

    def pass_idle_time(self) -> None:
        """Add the ticks of an idle loop."""
        while self.clock.now - self.last_tick_s > IDLE_TICK_S:
            self.tick(self.last_tick_s + IDLE_TICK_S)

    def tick(self, now_s: Second) -> None:
        """Send a heartbeat when the last is older than half the timeout, like uvicorn."""
        self.ticks += 1
        self.last_tick_s = now_s
        is_due = now_s - self.last_beat_s > self.model.worker_timeout_s / 2
        if self.ticks % TICKS_A_LOOK == 0 and is_due:
            self.last_beat_s = now_s

    def kill(self) -> None:
        """Reset all accepted connections."""
        self.alive = False
        for waiting in (*self.round, *self.readable, *self.fresh):
            if waiting.request is not None:
                waiting.request.interrupt()
