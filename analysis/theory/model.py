"""The model of a web server: what a request needs, and the server's limits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from analysis.theory.cores import find_crowding
from analysis.theory.cpu_law import CpuLaw
from scenarios.heartbeat import compute_blocking_s, delays_heartbeat, exceeds_worker_timeout
from scenarios.model import THREADS_OF, Load, RareRequest, Style
from scenarios.units import Second
from scenarios.warm_up import find_serving_places

ROUNDS = 30
"""Iterations of the fixed point between CPU per request and requests in flight. Each round at least
halves the error."""


@dataclass(frozen=True, slots=True)
class ServerModel:
    """`loop_cpu_s`: CPU of one request, half of it before the upstream call and half after; it
    occupies the worker's one interpreter. `cpu_jitter`: "exponential" draws each half at random
    around its mean, as the formulas of `analysis.theory.networks` assume.
    `cpu_law`: CPU by the requests in flight at a worker, if measured. `cpu_s` is then the CPU by
    that law, and `loop_cpu_s` its wall-clock time: less where one worker's threads use several
    cores, more where workers share one.
    `cores`: cores that the workers share; None gives each worker one.

    `pool`: threads of one worker. `connections`: connections of its client, None without limit.
    `queue`: the order in which anyio's pool wakes waiting requests; last in first out before anyio
    3.7.0 (agronholm/anyio, PR #455).
    `worker_timeout_s`: gunicorn's, 0 disables it. `client_timeout_s`: how long the app's client
    waits for a connection, and then for the upstream; beyond either, the request fails. The wait of
    an arrived response for a busy loop does not count.
    `accepts`: connections that the loop accepts per round: asyncio all, uvloop one (observed in the
    order in which a blocked loop served its users).
    `rounds_s`: how much longer a request waits if the loop serves all requests that are in flight
    in the same rounds. `delay_s` includes half of it. See `analysis.theory.rounds`.
    `rare`: one request in so many goes there, and differs only in how it waits.
    `answers_first`: the wait, and its token, come after the response.
    `works_elsewhere`: in separate processes, which are the workers here.
    `bystander_tokens`: tokens of the pool that a background request needs, one after the other. It
    comes every `bystander_every_s`.
    """

    style: Style
    workers: int = 1
    pool: int = 40
    connections: int | None = None
    delay_s: Second = 1.0
    rounds_s: Second = 0.0
    loop_cpu_s: Second = 0.0
    cpu_law: CpuLaw | None = None
    cpu_s: Second | None = None
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
        """How long a blocking request waits for the upstream."""
        return compute_blocking_s(self.delay_s, self.client_timeout_s if self.times_out else None)

    @property
    def undisturbed_s(self) -> Second:
        """Response time of a request that runs alone."""
        return self.delay_s + self.loop_cpu_s

    @property
    def blocks(self) -> bool:
        """True if each request blocks the event loop."""
        return self.style == "async def that blocks"

    @property
    def needs_tokens(self) -> bool:
        """True if a request holds one of the pool's tokens while it runs."""
        return self.style in THREADS_OF

    @property
    def serves_newest_first(self) -> bool:
        """True if requests wait for a thread of anyio's pool, which wakes the newest first."""
        styles = (self.style, self.rare.style) if self.rare else (self.style,)
        has_pool = any(THREADS_OF.get(each) == "anyio's pool" for each in styles)
        return has_pool and self.queue == "lifo"

    @property
    def blocked_by_rare_s(self) -> Second:
        """Mean time per request for which rare requests block the loop."""
        blocks = self.rare is not None and self.rare.style == "async def that blocks"
        return self.held_s / self.rare.one_in if self.rare and blocks else 0.0

    @property
    def times_out(self) -> bool:
        """True if its client gives up before any response can arrive. The wait for the loop's
        rounds is not the client's."""
        answered_s = self.delay_s - self.rounds_s / 2
        return compute_blocking_s(answered_s, self.client_timeout_s) < answered_s

    def is_killed_by(self, users: int) -> bool:
        """Return True if each round kills a worker, as the runner assumes to plan windows."""
        return exceeds_worker_timeout(users, self.workers, self.held_s, self.worker_timeout_s)

    def is_killed_sometime_by(self, users: int) -> bool:
        """Return True if a worker is killed when the load lasts long enough."""
        return delays_heartbeat(users, self.workers, self.held_s, self.worker_timeout_s)

    def can_warm_up(self, load: Load) -> bool:
        """Return True if the runner waits for a warm-up, as it plans its windows."""
        if self.rare is not None or self.answers_first:
            return True
        places = find_serving_places(
            self.style, self.workers, self.pool, self.held_s, self.accepts == "one"
        )
        return places is None or places.allows_warm_up(load)

    def scale_cpu_to_users(self, users: int, think_s: Second = 0.0) -> "ServerModel":
        """Return the model with the wall-clock CPU per request for this number of users, with one
        core per worker. More workers than cores share them, as far as they are busy at once."""

        def settle(crowding: float) -> ServerModel:
            return self._share_cores(crowding)._settle_users(users, think_s)

        busy = min(self.workers, users)
        return settle(
            self._find_crowding(busy, settle, lambda each: each.estimate_rps(users, think_s))
        )

    def scale_cpu_to_rate(self, rate: float = math.inf) -> "ServerModel":
        """Return the model with the CPU per request at this arrival rate, at most at the rate that
        just fills it."""

        def settle(crowding: float) -> ServerModel:
            return self._share_cores(crowding)._settle_rate(rate)

        def serve(settled: ServerModel) -> float:
            return min(rate, settled.estimate_rps(math.inf))

        return settle(self._find_crowding(self.workers, settle, serve))

    def settle_cpu(self, in_flight: float) -> "ServerModel":
        """Return the model with the CPU per request for this many in flight at its worker."""
        if self.cpu_law is None or not math.isfinite(in_flight):
            return self
        law = self.cpu_law
        return replace(
            self,
            loop_cpu_s=law.compute_interpreter_s(in_flight),
            cpu_s=law.compute_cpu_s(in_flight),
        )

    def estimate_rps(self, users: float, think_s: Second = 0.0) -> float:
        """Estimate throughput by its upper bounds, without queueing. An infinite number of users
        fills the server."""
        busy_s = self.undisturbed_s if self.needs_tokens else 0.0
        alone_s = self.undisturbed_s if self.blocks else self.loop_cpu_s + self.blocked_by_rare_s
        bounds = [(users, think_s + self.undisturbed_s), (self.workers, alone_s),
                  (self.workers * self.pool, busy_s)]  # fmt: skip
        return min(many / each_s for many, each_s in bounds if each_s > 0)

    def _settle_users(self, users: int, think_s: Second) -> "ServerModel":
        in_flight = users / self.workers
        for _ in range(ROUNDS if think_s else 1):
            settled = self.settle_cpu(in_flight)
            thinking = think_s * settled.estimate_rps(users, think_s) / self.workers
            in_flight = users / self.workers - thinking
        return settled

    def _settle_rate(self, rate: float) -> "ServerModel":
        settled = self
        for _ in range(ROUNDS):
            most = settled.undisturbed_s / settled.loop_cpu_s if settled.loop_cpu_s else math.inf
            settled = self.settle_cpu(min(rate / self.workers * settled.undisturbed_s, most))
        return settled

    def _find_crowding(
        self,
        workers: int,
        settle: Callable[[float], "ServerModel"],
        serve: Callable[["ServerModel"], float],
    ) -> float:
        """`settle` returns the model at a crowding, `serve` its requests per second."""
        if self.cores is None:
            return 1.0

        def count_busy(crowding: float) -> float:
            settled = settle(crowding)
            cpu_s = self.loop_cpu_s if settled.cpu_s is None else settled.cpu_s
            return serve(settled) * cpu_s if cpu_s else 0.0

        return find_crowding(workers, self.cores, count_busy)

    def _share_cores(self, crowding: float) -> "ServerModel":
        if self.cores is None:
            return self
        law = self.cpu_law and self.cpu_law.crowd(crowding)
        return replace(
            self, loop_cpu_s=self.loop_cpu_s * max(1.0, crowding), cpu_law=law, cores=None
        )
