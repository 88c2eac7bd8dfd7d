"""Simulation of a web server's worker: what a request waits for, and in which order.

It is idealised, so that its results follow from the endpoint's style and its limits. It leaves out
the network, parsing, the kernel's listen queue, and memory.
"""

import random
from collections.abc import Generator
from contextlib import suppress

import simpy
from simpy.resources.resource import Request

from analysis.theory.model import ServerModel
from scenarios.heartbeat import TICK_S, TICKS_A_LOOK
from scenarios.model import Style
from scenarios.units import Second

Steps = Generator[simpy.Event, object, None]
"""A SimPy process, or a part of one: it yields the events that it waits for."""

TURNS_OF_A_CONNECTION = 2
"""The loop accepts a new connection in one turn and serves its request in another. Real runs of
rare-blocks took 350 to 430 ms, where one turn would be 216."""


class ClientTimeout(Exception):
    """The app's client gave up."""


class LifoQueue(list[Request]):
    """A queue whose newest member is next."""

    def append(self, request: Request) -> None:
        self.insert(0, request)


class LifoResource(simpy.Resource):
    PutQueue = LifoQueue


class AbandonedQueue(list[Request]):
    """A queue of a simulation that is over."""

    def remove(self, _: Request) -> None:
        """Do nothing: a search for each of a hundred thousand requests would take minutes."""


class SimulatedWorker:
    """A server process from its start until the master kills it."""

    def __init__(
        self,
        clock: simpy.Environment,
        model: ServerModel,
        chance: random.Random,
        starting_s: Second = 0.0,
    ) -> None:
        self.clock = clock
        self.model = model
        self.chance = chance
        # a dict keeps the order of arrival; a set of processes would differ from run to run
        self.in_flight: dict[simpy.Process, None] = {}
        self.alive = True
        self.last_beat_s = clock.now + starting_s
        self.begin(starting_s)

    def begin(self, starting_s: Second) -> None:
        model, clock = self.model, self.clock
        self.interpreter = simpy.Resource(clock, capacity=1)
        kind_of_pool = LifoResource if model.serves_newest_first else simpy.Resource
        self.pool = kind_of_pool(clock, capacity=model.pool)
        limit = model.connections
        self.connections = None if limit is None else simpy.Resource(clock, capacity=limit)
        self.served = 0
        if starting_s > 0:
            clock.process(self.hold(self.interpreter, self.pause(starting_s)))
        if model.worker_timeout_s > 0:
            clock.process(self.run_heartbeat())

    def take_over(self, _: "SimulatedWorker") -> None:
        """Take over nothing: requests that waited inside the killed worker were reset."""

    def serve(self, _: int) -> Steps:
        """Serve a request until its response. Raises ClientTimeout."""
        if self.model.answers_first:
            yield from self.compute()
            self.clock.process(self.run_background_task())
            return
        style = self.choose_style()
        if style == "async def that blocks":
            yield from self.hold(self.interpreter, self.block_loop())
        elif style == "async def":
            yield from self.run_handler()
        else:
            yield from self.hold(self.pool, self.run_handler())

    def choose_style(self) -> Style:
        rare = self.model.rare
        self.served += 1
        return self.model.style if rare is None or self.served % rare.one_in else rare.style

    def hold(self, resource: simpy.Resource, steps: Steps | None = None) -> Steps:
        """Run the steps while holding the resource."""
        with resource.request() as turn:
            yield turn
            if steps is not None:
                yield from steps

    def pause(self, seconds: Second) -> Steps:
        yield self.clock.timeout(seconds)

    def run_background_task(self) -> Steps:
        """Run the work after the response, when no user waits for it, or sees that it fails."""
        with suppress(ClientTimeout):
            if self.model.needs_tokens:
                yield from self.hold(self.pool, self.ask_upstream())
            else:
                yield from self.ask_upstream()
            yield from self.compute()

    def run_handler(self) -> Steps:
        yield from self.compute()
        yield from self.ask_upstream()
        yield from self.compute()

    def block_loop(self) -> Steps:
        yield from self.spend_half_cpu()
        yield from self.ask_upstream()
        yield from self.spend_half_cpu()

    def serve_ping(self) -> Steps:
        """Serve a background request on a new connection: no work, but it takes its turns."""
        for _ in range(TURNS_OF_A_CONNECTION):
            yield from self.hold(self.interpreter)
        for _ in range(self.model.bystander_tokens):
            yield from self.hold(self.pool)

    def compute(self) -> Steps:
        if self.model.loop_cpu_s > 0:
            yield from self.hold(self.interpreter, self.spend_half_cpu())

    def spend_half_cpu(self) -> Steps:
        yield self.clock.timeout(self.draw_half_cpu_s())

    def draw_half_cpu_s(self) -> Second:
        law = self.model.cpu_law
        cpu_s = law.compute_interpreter_s(len(self.in_flight)) if law else self.model.loop_cpu_s
        mean_s = cpu_s / 2
        if self.model.cpu_jitter == "none" or mean_s == 0:
            return mean_s
        return self.chance.expovariate(1 / mean_s)

    def ask_upstream(self) -> Steps:
        if self.connections is None:
            yield from self.wait_for_answer()
            return
        patience_s = self.model.client_timeout_s
        with self.connections.request() as connection:
            if patience_s is None or connection.triggered:
                yield connection
            else:
                yield connection | self.clock.timeout(patience_s)
            if not connection.triggered:
                raise ClientTimeout
            yield from self.wait_for_answer()

    def wait_for_answer(self) -> Steps:
        yield self.clock.timeout(self.model.held_s)
        if self.model.times_out:
            raise ClientTimeout

    def run_heartbeat(self) -> Steps:
        """Send heartbeats like uvicorn for gunicorn: on the loop, so after every request that was
        ready before, and only when the last one is older than half the timeout.

        In uvicorn, each of ten ticks waits for the loop; here only one does. On the other hand, a
        real request takes many small steps on the loop, here two.
        """
        while self.alive:
            yield self.clock.timeout(TICKS_A_LOOK * TICK_S)
            yield from self.hold(self.interpreter)
            if self.clock.now - self.last_beat_s > self.model.worker_timeout_s / 2:
                self.last_beat_s = self.clock.now

    def read_last_beat_s(self) -> Second:
        """Return when the master last received a heartbeat."""
        return self.last_beat_s

    def abandon(self) -> None:
        """End the simulation, with requests still waiting."""
        for each in (self.interpreter, self.pool, self.connections):
            if each is not None:
                each.put_queue = AbandonedQueue()

    def kill(self) -> None:
        """Reset every connection."""
        self.alive = False
        for request in list(self.in_flight):
            request.interrupt()
