"""A web server as theory sees it: what a request of it needs, and the limits that it has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.theory.cpu_law import CpuLaw, fit_cpu_law
from records.prediction import CpuSample
from scenarios.errors import UserError
from scenarios.heartbeat import compute_blocking_s, delays_heartbeat, exceeds_worker_timeout
from scenarios.model import THREADS_OF, Load, RareRequest, Scenario, Style
from scenarios.units import Second
from scenarios.warm_up import find_serving_places

ROUNDS = 30
"""Of what settles by itself: the CPU of a request, and how many are in flight while it takes that.
Each round halves what is missing, at least."""
AWAITING: tuple[Style, ...] = ("async def with processes", "async fn", "goroutine")
"""They wait without a thread and without blocking the loop, as an `async def` does. Work in other
processes is done by as many workers as there are cores."""


@dataclass(frozen=True, slots=True)
class ServerModel:
    """`loop_cpu_s` is the CPU of one request, half of it before the upstream is called and half
    after; a request that uses it holds the worker's one interpreter. "exponential" draws each half
    at random around its mean, as the formulas of `analysis.theory.networks` assume.
    `cpu_law`: how much CPU with how many in flight at a worker, where that was measured; `cpu_s`
    is then what the law has for `loop_cpu_s`, which is less by the clock where threads of one
    worker use several cores, and more where workers share one.
    `cores` are those that the workers get turns on; None has one for each of them.

    `pool` is the threads of one worker; `connections` those of its client, None without limit.
    `queue` is the order in which anyio's pool wakes who waits: last in first out before anyio
    3.7.0 (agronholm/anyio, PR #455).
    `worker_timeout_s` is gunicorn's, 0 never. `client_timeout_s` is how long the app's client
    waits for a connection, and then for the upstream; beyond either the request fails. How long
    an answer that has arrived then waits for a busy loop is not held against it.
    `accepts` is how many waiting connections the loop takes in each round: asyncio all of them,
    uvloop one (seen in the order in which a blocked loop served its users).
    `rare`: one request in so many goes there; what it does apart from waiting is as for all others.
    `answers_first`: the wait, and the token it needs, come after the answer.
    `works_elsewhere`: in processes of its own, which are the workers here.
    `bystander_tokens`: how many of the pool a background request needs, one after the other, which
    comes each `bystander_every_s`.
    """

    style: Style
    workers: int = 1
    pool: int = 40
    connections: int | None = None
    delay_s: Second = 1.0
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
        """How long a request that blocks waits for the upstream."""
        return compute_blocking_s(self.delay_s, self.client_timeout_s)

    @property
    def undisturbed_s(self) -> Second:
        """What a request takes that is alone."""
        return self.delay_s + self.loop_cpu_s

    @property
    def blocks(self) -> bool:
        """Whether each request blocks the event loop."""
        return self.style == "async def that blocks"

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

    def is_killed_by(self, users: int) -> bool:
        """Whether a worker is, in each round: as the runner expects it where it plans windows."""
        return exceeds_worker_timeout(users, self.workers, self.held_s, self.worker_timeout_s)

    def is_killed_sometime_by(self, users: int) -> bool:
        """Whether a worker is, if the load lasts long enough."""
        return delays_heartbeat(users, self.workers, self.held_s, self.worker_timeout_s)

    def can_warm_up(self, load: Load) -> bool:
        """Whether the runner waits for it: as it plans its windows."""
        if self.rare is not None or self.answers_first:
            return True
        places = find_serving_places(
            self.style, self.workers, self.pool, self.held_s, self.accepts == "one"
        )
        return places is None or places.allows_warm_up(load)

    def scale_cpu_to_users(self, users: int, think_s: Second = 0.0) -> "ServerModel":
        """With the CPU of one request as it is by the clock while so many users are at work, a
        core for each worker: more workers than cores get turns on them, as far as they can be busy
        at once."""
        crowded = self._share_cores(min(self.workers, users))
        in_flight = users / self.workers
        for _ in range(ROUNDS if think_s else 1):
            settled = crowded.settle_cpu(in_flight)
            thinking = think_s * settled.estimate_rps(users, think_s) / self.workers
            in_flight = users / self.workers - thinking
        return settled

    def scale_cpu_to_rate(self, rate: float = math.inf) -> "ServerModel":
        """The same where so many requests arrive each second; beyond what it can do, at the point
        where it is just full."""
        settled = crowded = self._share_cores(self.workers)
        share = rate / self.workers
        for _ in range(ROUNDS):
            most = settled.undisturbed_s / settled.loop_cpu_s if settled.loop_cpu_s else math.inf
            in_flight = min(share * settled.undisturbed_s, most)
            settled = crowded.settle_cpu(in_flight)
        return settled

    def settle_cpu(self, in_flight: float) -> "ServerModel":
        """With the CPU that a request takes while so many are in flight at its worker."""
        if self.cpu_law is None or not math.isfinite(in_flight):
            return self
        law = self.cpu_law
        return replace(
            self,
            loop_cpu_s=law.compute_interpreter_s(in_flight),
            cpu_s=law.compute_cpu_s(in_flight),
        )

    def estimate_rps(self, users: int, think_s: Second) -> float:
        """What bounds allow, without any queueing."""
        busy_s = self.undisturbed_s if self.needs_tokens else 0.0
        bounds = [(users, think_s + self.undisturbed_s), (self.workers, self.loop_cpu_s),
                  (self.workers * self.pool, busy_s)]  # fmt: skip
        return min(many / each_s for many, each_s in bounds if each_s > 0)

    def _share_cores(self, busy: int) -> "ServerModel":
        if self.cores is None:
            return self
        crowding = busy / self.cores
        law = self.cpu_law and self.cpu_law.crowd(crowding)
        return replace(
            self, loop_cpu_s=self.loop_cpu_s * max(1.0, crowding), cpu_law=law, cores=None
        )


def build_server_model(
    scenario: Scenario,
    cpu_s: Second,
    cores: int | None = None,
    wait_s: Second = 0.0,
    samples: Sequence[CpuSample] = (),
) -> ServerModel:
    """A resolved scenario as theory sees it. `cpu_s`: of one request alone, on a core of its own;
    `samples`: of more, where there are any; `wait_s`: how long it did not compute, where a database
    or a server of the user's is asked. A database is an upstream with
    that delay and as many connections as the app's pool has.

    CPU times are drawn at random around their mean, as the formulas assume. Raises UserError if a
    request takes no time: nothing would limit its rate.
    """
    server, client, bystander = scenario.server, scenario.client, scenario.bystander
    style, threads = scenario.endpoint.style, THREADS_OF.get(scenario.endpoint.style)
    return ServerModel(
        style="async def" if style in AWAITING else style,
        workers=(cores or 1) if style == "async def with processes" else server.workers,
        pool=count_threads(scenario, cores),
        connections=get_connection_limit(scenario),
        delay_s=find_delay_s(scenario, cpu_s, wait_s),
        loop_cpu_s=cpu_s,
        cpu_law=fit_cpu_law(samples, count_threads(scenario, cores) if threads else math.inf)
        if samples
        else None,
        cores=cores,
        cpu_jitter="exponential",
        worker_timeout_s=server.worker_timeout_s if server.kills_blocked_workers else 0.0,
        client_timeout_s=client.timeout_s if client is not None else None,
        accepts="one" if server.loop == "uvloop" else "all",
        rare=scenario.rare,
        answers_first=scenario.endpoint.answers_first,
        works_elsewhere=style == "async def with processes",
        bystander_tokens=bystander.turns if threads and bystander.needs == threads else 0,
        bystander_every_s=bystander.every_s,
    )


def find_delay_s(scenario: Scenario, cpu_s: Second, wait_s: Second) -> Second:
    """A server that is not ours waits for something too: for what it does not compute, the
    delay is what one user alone waits."""
    waits = scenario.database is not None or scenario.url is not None
    delay_s = scenario.delay_s or (wait_s if waits else 0.0)
    if cpu_s + delay_s <= 0:
        raise UserError(
            f"{scenario.name}: with no CPU and no delay a request takes no time, and nothing "
            "limits its rate; give --cpu above 0"
        )
    return delay_s


def count_threads(scenario: Scenario, cores: int | None) -> int:
    """Of the pool that the endpoint's style uses: asyncio's executor has as many as Python's
    ThreadPoolExecutor by default."""
    if THREADS_OF.get(scenario.endpoint.style) == "asyncio's executor":
        return min(32, (cores or 1) + 4)
    return scenario.server.pool


def get_connection_limit(scenario: Scenario) -> int | None:
    """Connections of one worker to what it asks, at most; None without a limit."""
    client, database = scenario.client, scenario.database
    if client is not None and client.life == "shared":
        return client.connections
    if database is not None and database.life == "pool":
        return database.pool
    return None
