"""A worker of a web server in simulated time: what a request waits for, and in which order.

Idealised on purpose, so that what comes out is a consequence of the endpoint's style and its
limits. Not in it: the network, parsing, the kernel's listen queue, memory.
"""

import random
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal

import simpy
from simpy.resources.resource import Request

from scenarios.heartbeat import compute_blocking_s
from scenarios.model import THREADS_OF, RareRequest, Style
from scenarios.units import Second

Happening = simpy.Event
Life = Generator[Happening, object, None]
"""A SimPy process: it yields what it waits for."""

TICK_S: Second = 0.1
TURNS_OF_A_CONNECTION = 2
"""The loop takes a new connection, and later reads and runs what it asks for. Seen in real runs of
rare-blocks: 350 to 430 ms, where one turn would be 216."""
TICKS_A_LOOK = 10
"""uvicorn looks at every tenth tick whether its heartbeat is due; a loop that goes round more
slowly than ten times a second ticks once a round."""


@dataclass(frozen=True, slots=True)
class System:
    """`loop_cpu_s` is the CPU of one request, half of it before the upstream is called and half
    after; whoever uses it holds the worker's one interpreter. "exponential" draws each half at
    random around its mean, as the formulas of `analysis.theory.networks` assume.
    `cores` are those that the workers get turns on; None has one for each of them.

    `pool` is the threads of one worker; `connections` those of its client, None without limit.
    `queue` is the order in which anyio's pool wakes who waits: last in first out before anyio
    3.7.0 (agronholm/anyio, PR #455).
    `worker_timeout_s` is gunicorn's, 0 never. `client_timeout_s` is how long the app's client
    waits for a connection, and then for the upstream; beyond either the request fails. How long
    an answer that has arrived then waits for a busy loop is not held against it.
    `accepts` is how many waiting connections the loop takes in each round: asyncio all of them,
    uvloop one (seen in the order in which a blocked loop served its users).
    `rare`: one request in so many goes there; what it does beside waiting is as for all others.
    `answers_first`: the wait, and the token it needs, come after the answer.
    `works_elsewhere`: in processes of its own, which are the workers here.
    `bystander_tokens`: how many somebody else needs of the pool, one after the other, who asks each
    `bystander_every_s`.
    """

    style: Style
    workers: int = 1
    pool: int = 40
    connections: int | None = None
    delay_s: Second = 1.0
    loop_cpu_s: Second = 0.0
    cores: int | None = None
    cpu_jitter: Literal["none", "exponential"] = "none"
    queue: Literal["fifo", "lifo"] = "fifo"
    worker_timeout_s: Second = 0.0
    client_timeout_s: Second | None = None
    accepts: Literal["all", "one"] = "all"
    rare: RareRequest | None = None
    answers_first: bool = False
    works_elsewhere: bool = False
    bystander_tokens: int = 0
    bystander_every_s: Second = 0.97

    @property
    def held_s(self) -> Second:
        """How long a request that blocks waits for the upstream."""
        return compute_blocking_s(self.delay_s, self.client_timeout_s)

    @property
    def needs_tokens(self) -> bool:
        """Whether a request holds one of the pool's tokens while it is worked on."""
        return self.style in THREADS_OF

    @property
    def blocked_by_rare_s(self) -> Second:
        """How long the loop is blocked for a request, on average over all."""
        blocks = self.rare is not None and self.rare.style == "async def that blocks"
        return self.held_s / self.rare.one_in if self.rare and blocks else 0.0

    @property
    def times_out(self) -> bool:
        """Whether its client gives up before any answer can have come."""
        return self.held_s < self.delay_s

    def scale_cpu_to_users(self, users: int | None) -> "System":
        """With the CPU as it takes by the clock, a core for each worker: more workers than cores
        get turns on them, as far as they can be busy at once. None is an open loop, in which
        all of them can."""
        busy = self.workers if users is None else min(self.workers, users)
        crowding = 1.0 if self.cores is None else max(1.0, busy / self.cores)
        return replace(self, loop_cpu_s=self.loop_cpu_s * crowding, cores=None)


class ClientTimeout(Exception):
    """The app's client gave up."""


class LifoQueue(list[Request]):
    """A waiting line whose newest member is next."""

    def append(self, request: Request) -> None:
        self.insert(0, request)


class LifoResource(simpy.Resource):
    PutQueue = LifoQueue


class Worker:
    """One life of a server process, from its start until the master kills it."""

    def __init__(
        self,
        clock: simpy.Environment,
        system: System,
        chance: random.Random,
        starting_s: Second = 0.0,
    ) -> None:
        self.clock = clock
        self.system = system
        self.chance = chance
        self.interpreter = simpy.Resource(clock, capacity=1)
        kind_of_pool = LifoResource if system.queue == "lifo" else simpy.Resource
        self.pool = kind_of_pool(clock, capacity=system.pool)
        self.connections = (
            None
            if system.connections is None
            else simpy.Resource(clock, capacity=system.connections)
        )
        self.served = 0
        # a dict keeps the order of arrival; a set of processes would differ from run to run
        self.in_flight: dict[simpy.Process, None] = {}
        self.alive = True
        self.last_beat_s = clock.now + starting_s
        if starting_s > 0:
            clock.process(self.start_up(starting_s))
        if system.worker_timeout_s > 0:
            clock.process(self.run_heartbeat())

    def take_over(self, _: "Worker") -> None:
        """Who waited at the killed worker was inside it, and has been reset."""

    def serve(self, _: int) -> Life:
        """What happens to a request until it is answered. Raises ClientTimeout."""
        if self.system.answers_first:
            yield from self.compute()
            self.clock.process(self.run_background_task())
            return
        style = self.choose_style()
        if style == "async def that blocks":
            yield from self.block_loop()
        elif style == "async def":
            yield from self.run_handler()
        else:
            with self.pool.request() as token:
                yield token
                yield from self.run_handler()

    def choose_style(self) -> Style:
        rare = self.system.rare
        self.served += 1
        return self.system.style if rare is None or self.served % rare.one_in else rare.style

    def run_background_task(self) -> Life:
        """What a background task does, when nobody waits any more."""
        if not self.system.needs_tokens:
            yield from self.ask_upstream()
        else:
            with self.pool.request() as token:
                yield token
                yield from self.ask_upstream()
        yield from self.compute()

    def run_handler(self) -> Life:
        yield from self.compute()
        yield from self.ask_upstream()
        yield from self.compute()

    def block_loop(self) -> Life:
        with self.interpreter.request() as turn:
            yield turn
            yield self.clock.timeout(self.draw_half_cpu_s())
            yield from self.ask_upstream()
            yield self.clock.timeout(self.draw_half_cpu_s())

    def serve_ping(self) -> Life:
        """By a bystander on a new connection, whose request is no work, but takes its turns."""
        for _ in range(TURNS_OF_A_CONNECTION):
            with self.interpreter.request() as turn:
                yield turn
        for _ in range(self.system.bystander_tokens):
            with self.pool.request() as token:
                yield token

    def compute(self) -> Life:
        if self.system.loop_cpu_s > 0:
            with self.interpreter.request() as turn:
                yield turn
                yield self.clock.timeout(self.draw_half_cpu_s())

    def draw_half_cpu_s(self) -> Second:
        mean_s = self.system.loop_cpu_s / 2
        if self.system.cpu_jitter == "none" or mean_s == 0:
            return mean_s
        return self.chance.expovariate(1 / mean_s)

    def ask_upstream(self) -> Life:
        if self.connections is None:
            yield from self.wait_for_answer()
        else:
            with self.connections.request() as connection:
                yield from self.wait_for_connection(connection)
                yield from self.wait_for_answer()

    def wait_for_connection(self, connection: Happening) -> Life:
        patience_s = self.system.client_timeout_s
        if patience_s is None or connection.triggered:
            yield connection
            return
        yield connection | self.clock.timeout(patience_s)
        if not connection.triggered:
            raise ClientTimeout

    def wait_for_answer(self) -> Life:
        yield self.clock.timeout(self.system.held_s)
        if self.system.times_out:
            raise ClientTimeout

    def start_up(self, starting_s: Second) -> Life:
        with self.interpreter.request() as turn:
            yield turn
            yield self.clock.timeout(starting_s)

    def run_heartbeat(self) -> Life:
        """uvicorn's, for gunicorn: on the loop, so behind every request that was ready before it,
        and given only when the last is older than half the timeout.

        In uvicorn each of ten ticks waits for the loop; here one does. A real request in turn
        comes to the loop in many small pieces, here in two.
        """
        while self.alive:
            yield self.clock.timeout(TICKS_A_LOOK * TICK_S)
            with self.interpreter.request() as turn:
                yield turn
            if self.clock.now - self.last_beat_s > self.system.worker_timeout_s / 2:
                self.last_beat_s = self.clock.now

    def kill(self) -> None:
        """Every connection is reset."""
        self.alive = False
        for request in list(self.in_flight):
            request.interrupt()
