"""Who waits without knowing it: for a thread of a pool that others have filled, for a loop that one
request in a hundred blocks, for work that goes on after the answer."""

from dataclasses import dataclass

from scenarios.model import (
    BackgroundRequest,
    Endpoint,
    Load,
    RareRequest,
    Scenario,
    Server,
    Style,
    Threads,
)
from scenarios.units import Second

SERVER = Server(worker_timeout_s=0.0)
"""asyncio's own loop: uvloop resolves names on libuv's threads, and not in the executor."""

NOW_AND_THEN = Load(users=200, spawn_rate=100.0, duration_s=15.0)
RARE_DELAY_S = 0.2
WITH_PAUSES = Load(users=50, spawn_rate=50.0, duration_s=15.0, think_s=0.2)
BACKGROUND_DELAY_S = 0.2
OFTEN_S = 0.37
"""No whole part of a delay: users who wait in lockstep would be met at the same point each time."""


@dataclass(frozen=True, slots=True)
class SaturatingLoad:
    """A load that keeps all threads of a pool busy; the question is what becomes of somebody who
    asks for another path."""

    group: str
    subject: str
    endpoint: Endpoint
    users: int
    delay_s: Second


POOL = SaturatingLoad(
    "full-pool", "beside a pool that is full", Endpoint("/sync/sleep", "def"), 100, 0.5
)
EXECUTOR = SaturatingLoad(
    "executor",
    "beside an executor that is full",
    Endpoint("/async/sleep/to-thread", "async def to the executor"),
    50,
    0.2,
)


def make_bystander_scenario(
    full: SaturatingLoad,
    name: str,
    contender: str,
    path: str,
    needs: Threads | None,
    question: str,
    expect: str,
    why: str,
    turns: int = 1,
) -> Scenario:
    return Scenario(
        name=name,
        group=full.group,
        question=question,
        expect=expect,
        why=why,
        endpoint=full.endpoint,
        server=SERVER,
        load=Load(users=full.users, spawn_rate=50.0, duration_s=15.0),
        bystander=BackgroundRequest(path, needs, OFTEN_S, turns),
        delay_s=full.delay_s,
        subject=full.subject,
        contender=contender,
    )


def make_rare_request_scenario(
    name: str, contender: str, path: str, style: Style, question: str, expect: str, why: str
) -> Scenario:
    """99 of 100 requests go to an `async def` that awaits, the hundredth elsewhere."""
    return Scenario(
        name=name,
        group="rare",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint("/async/sleep", "async def"),
        server=SERVER,
        load=NOW_AND_THEN,
        rare=RareRequest(path, style),
        bystander=BackgroundRequest(every_s=OFTEN_S),
        delay_s=RARE_DELAY_S,
        subject="1 % of the traffic elsewhere",
        contender=contender,
    )


def make_background_task_scenario(
    name: str, contender: str, path: str, style: Style, question: str, expect: str, why: str
) -> Scenario:
    """Users who pause, and get their answer before its work is done; a `def` beside them."""
    return Scenario(
        name=name,
        group="background",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint(path, style, answers_first=True),
        server=SERVER,
        load=WITH_PAUSES,
        bystander=BackgroundRequest("/sync/ping", "anyio's pool", OFTEN_S),
        delay_s=BACKGROUND_DELAY_S,
        subject="a background task of 200 ms",
        contender=contender,
    )


HIDDEN_WAITS: tuple[Scenario, ...] = (
    make_bystander_scenario(
        POOL,
        "health-async",
        "async /health",
        "/health",
        None,
        question="async def /health beside a full pool: is the service alive?",
        expect="yes: answered in some milliseconds",
        why="It runs on the loop, which has nothing to do but to hand over.",
    ),
    make_bystander_scenario(
        POOL,
        "health-sync",
        "def /health",
        "/sync/health",
        "anyio's pool",
        question="def /health beside a full pool: is the service alive?",
        expect="it waits with all others, (users - threads) x delay / threads: 750 ms",
        why="Any def endpoint takes one of the 40 threads, and stands in the same line for it. An "
        "orchestrator with a short timeout would end a service that works.",
    ),
    make_bystander_scenario(
        POOL,
        "depends-async",
        "async Depends",
        "/guarded",
        None,
        question="async def with an async def Depends, beside a full pool",
        expect="as health-async",
        why="Both run on the loop.",
    ),
    make_bystander_scenario(
        POOL,
        "depends-sync",
        "def Depends",
        "/guarded/sync",
        "anyio's pool",
        question="async def with a def Depends that does nothing, beside a full pool",
        expect="as health-sync: the endpoint is async def, and waits for a thread",
        why="FastAPI runs each def dependency in the pool: one trivial get_settings() is enough to "
        "take a token.",
    ),
    make_rare_request_scenario(
        "rare-awaits",
        "awaits",
        "/async/sleep",
        "async def",
        question="1 % of the traffic awaits like the rest: what is there without the fault?",
        expect="users / delay, a bystander who does not wait",
        why="The base of the two others.",
    ),
    make_rare_request_scenario(
        "rare-blocks",
        "blocks",
        "/async/sleep/sync",
        "async def that blocks",
        question="1 % of the traffic goes to one async def that blocks: who pays for it?",
        expect="all: half of the rps is gone, and all routes wait, /ping too",
        why="Each blocks the loop for 200 ms: on average a request takes 2 ms of the loop, which "
        "can then serve 500 a second at the most.",
    ),
    make_rare_request_scenario(
        "rare-sync",
        "def",
        "/sync/sleep",
        "def",
        question="the repair: the same blocking call in a def",
        expect="as rare-awaits",
        why="Ten requests a second of 200 ms each take two threads of 40.",
    ),
    make_bystander_scenario(
        EXECUTOR,
        "executor-ping",
        "/ping",
        "/ping",
        None,
        question="asyncio.to_thread under 50 users: how many threads are there?",
        expect="min(32, cores + 4) at a time, and a free loop: /ping does not wait",
        why="to_thread uses asyncio's default executor, and not anyio's pool of 40: on two cores "
        "it has 6 threads. anyio's limiter reads 0 all the time.",
    ),
    make_bystander_scenario(
        EXECUTOR,
        "executor-file",
        "aiofiles",
        "/async/json",
        "asyncio's executor",
        turns=3,
        question="aiofiles beside a full executor: does awaiting a small file wait?",
        expect="yes, three times over: for the executor's line to open, to read and to close",
        why="aiofiles hands over each of its calls to the same executor, one after the other.",
    ),
    make_bystander_scenario(
        EXECUTOR,
        "executor-dns",
        "a name",
        "/async/resolve",
        "asyncio's executor",
        question="looking up a name beside a full executor",
        expect="once for the executor's line, though localhost is looked up in no time",
        why="asyncio's getaddrinfo runs in the default executor too: each new connection to a host "
        "by name takes a turn there.",
    ),
    make_background_task_scenario(
        "background-async",
        "async def",
        "/background/async",
        "async def",
        question="an async def background task that awaits: what does it hold?",
        expect="answers at once, and nobody else waits",
        why="It waits on the loop with all others.",
    ),
    make_background_task_scenario(
        "background-sync",
        "def",
        "/background/sync",
        "async def that offloads",
        question="a def background task: where does it run?",
        expect="answers at once, and a def endpoint that waits longer and longer",
        why="It takes a thread of the pool for 200 ms: 200 a second can be worked off, some 250 "
        "are begun. Answers come before the work, so that nothing slows the users down.",
    ),
    make_background_task_scenario(
        "background-blocks",
        "blocks",
        "/background/async/sync",
        "async def that blocks",
        question="an async def background task that blocks: the answer is sent, so who minds?",
        expect="1 / delay: 5 rps, and everybody waits",
        why="It runs on the loop: 200 ms of it a task, whoever was answered before.",
    ),
)
