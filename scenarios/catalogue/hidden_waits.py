"""Who waits without knowing it: for a thread of a pool that others have filled, for a loop that one
request in a hundred blocks, for work that goes on after the answer."""

from functools import partial

from scenarios.model import BackgroundRequest, Endpoint, Load, RareRequest, Scenario, Server

RANK = 20
QUESTIONS = {
    "full-pool": "the thread pool is full: which other endpoints wait?",
    "rare": "1 % of the requests block the event loop: who waits?",
    "executor": "asyncio's executor is full: what else waits for it?",
    "background": "a task goes on after the answer: who waits for it?",
}

OFTEN_S = 0.37
"""No whole part of a delay: users who wait in lockstep would be met at the same point each time."""
ping = partial(BackgroundRequest, every_s=OFTEN_S)
waits = partial(Scenario, server=Server(worker_timeout_s=0.0))
"""asyncio's own loop: uvloop resolves names on libuv's threads, and not in the executor."""
full_pool = partial(
    waits,
    group="full-pool",
    endpoint=Endpoint("/sync/sleep", "def"),
    load=Load(users=100, spawn_rate=50.0, duration_s=15.0),
    delay_s=0.5,
    subject="beside a pool that is full",
)
full_executor = partial(
    waits,
    group="executor",
    endpoint=Endpoint("/async/sleep/to-thread", "async def to the executor"),
    load=Load(users=50, spawn_rate=50.0, duration_s=15.0),
    delay_s=0.2,
    subject="beside an executor that is full",
)
rare = partial(
    waits,
    group="rare",
    endpoint=Endpoint("/async/sleep", "async def"),
    load=Load(users=200, spawn_rate=100.0, duration_s=15.0),
    bystander=ping(),
    delay_s=0.2,
    subject="1 % of the traffic elsewhere",
)
"""99 of 100 requests go to an `async def` that awaits, the hundredth elsewhere."""
background = partial(
    waits,
    group="background",
    load=Load(users=50, spawn_rate=50.0, duration_s=15.0, think_s=0.2),
    bystander=ping("/sync/ping", "anyio's pool"),
    delay_s=0.2,
    subject="a background task of 200 ms",
)
"""Users who pause, and get their answer before its work is done; a `def` next to them."""

SCENARIOS = (
    full_pool(
        "health-async",
        contender="async /health",
        question="async def /health beside a full pool: is the service alive?",
        expect="yes: answered in some milliseconds",
        why="It runs on the loop, which has nothing to do but to hand over.",
        bystander=ping("/health"),
    ),
    full_pool(
        "health-sync",
        contender="def /health",
        question="def /health beside a full pool: is the service alive?",
        expect="it waits with all others, (users - threads) x delay / threads: 750 ms",
        why="Any def endpoint takes one of the 40 threads, and stands in the same line for it. An "
        "orchestrator with a short timeout would end a service that works.",
        bystander=ping("/sync/health", "anyio's pool"),
    ),
    full_pool(
        "depends-async",
        contender="async Depends",
        question="async def with an async def Depends, beside a full pool",
        expect="as health-async",
        why="Both run on the loop.",
        bystander=ping("/guarded"),
    ),
    full_pool(
        "depends-sync",
        contender="def Depends",
        question="async def with a def Depends that does nothing, beside a full pool",
        expect="as health-sync: the endpoint is async def, and waits for a thread",
        why="FastAPI runs each def dependency in the pool: one trivial get_settings() is enough to "
        "take a token.",
        bystander=ping("/guarded/sync", "anyio's pool"),
    ),
    rare(
        "rare-awaits",
        question="1 % of the traffic awaits like the rest: what is there without the fault?",
        expect="users / delay, a bystander who does not wait",
        why="The base of the two others.",
        rare=RareRequest("/async/sleep", "async def"),
    ),
    rare(
        "rare-blocks",
        question="1 % of the traffic goes to one async def that blocks: who pays for it?",
        expect="all: half of the rps is gone, and all routes wait, /ping too",
        why="Each blocks the loop for 200 ms: on average a request takes 2 ms of the loop, which "
        "can then serve 500 a second at the most.",
        rare=RareRequest("/async/sleep/sync", "async def that blocks"),
    ),
    rare(
        "rare-sync",
        contender="def",
        question="the repair: the same blocking call in a def",
        expect="as rare-awaits",
        why="Ten requests a second of 200 ms each take two threads of 40.",
        rare=RareRequest("/sync/sleep", "def"),
    ),
    full_executor(
        "executor-ping",
        contender="/ping",
        question="asyncio.to_thread under 50 users: how many threads are there?",
        expect="min(32, cores + 4) at a time, and a free loop: /ping does not wait",
        why="to_thread uses asyncio's default executor, and not anyio's pool of 40: on two cores "
        "it has 6 threads. anyio's limiter reads 0 all the time.",
        bystander=ping("/ping"),
    ),
    full_executor(
        "executor-file",
        contender="aiofiles",
        question="aiofiles beside a full executor: does awaiting a small file wait?",
        expect="yes, three times over: for the executor's line to open, to read and to close",
        why="aiofiles hands over each of its calls to the same executor, one after the other.",
        bystander=ping("/async/json", "asyncio's executor", turns=3),
    ),
    full_executor(
        "executor-dns",
        contender="a name",
        question="looking up a name beside a full executor",
        expect="once for the executor's line, though localhost is looked up in no time",
        why="asyncio's getaddrinfo runs in the default executor too: each new connection to a host "
        "by name takes a turn there.",
        bystander=ping("/async/resolve", "asyncio's executor"),
    ),
    background(
        "background-async",
        contender="async def",
        question="an async def background task that awaits: what does it hold?",
        expect="answers at once, and nobody else waits",
        why="It waits on the loop with all others.",
        endpoint=Endpoint("/background/async", "async def", answers_first=True),
    ),
    background(
        "background-sync",
        contender="def",
        question="a def background task: where does it run?",
        expect="answers at once, and a def endpoint that waits longer and longer",
        why="It takes a thread of the pool for 200 ms: 200 a second can be worked off, some 250 "
        "are begun. Answers come before the work, so that nothing slows the users down.",
        endpoint=Endpoint("/background/sync", "async def that offloads", answers_first=True),
    ),
    background(
        "background-blocks",
        question="an async def background task that blocks: the answer is sent, so who minds?",
        expect="1 / delay: 5 rps, and everybody waits",
        why="It runs on the loop: 200 ms of it a task, whoever was answered before.",
        endpoint=Endpoint("/background/async/sync", "async def that blocks", answers_first=True),
    ),
)
