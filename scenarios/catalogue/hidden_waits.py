"""Waits that an endpoint's code does not show: for a thread of a full pool, for a loop that one
request in a hundred blocks, for work that continues after the response."""

from functools import partial

from scenarios.model import BackgroundRequest, Endpoint, Load, RareRequest, Scenario, Server

RANK = 20
QUESTIONS = {
    "full-pool": "the thread pool is full: which other endpoints wait?",
    "rare": "1 % of the requests block the event loop: which wait?",
    "executor": "asyncio's executor is full: which calls wait?",
    "background": "work continues after the response: what waits?",
}

OFTEN_S = 0.37
"""No divisor of a delay: otherwise each sample would meet users in lockstep at the same point."""
ping = partial(BackgroundRequest, every_s=OFTEN_S)
waits = partial(Scenario, server=Server(worker_timeout_s=0.0))
"""asyncio's own loop, because uvloop resolves names on libuv's threads, not in the executor."""
full_pool = partial(
    waits,
    group="full-pool",
    endpoint=Endpoint("/sync/sleep", "def"),
    load=Load(users=100, spawn_rate=50.0, duration_s=15.0),
    delay_s=0.5,
    subject="next to a full pool",
)
full_executor = partial(
    waits,
    group="executor",
    endpoint=Endpoint("/async/sleep/to-thread", "async def to the executor"),
    load=Load(users=50, spawn_rate=50.0, duration_s=15.0),
    delay_s=0.2,
    subject="next to a full executor",
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
"""99 of 100 requests go to an `async def` that awaits; the scenario says where the other goes."""
background = partial(
    waits,
    group="background",
    load=Load(users=50, spawn_rate=50.0, duration_s=15.0, think_s=0.2),
    bystander=ping("/sync/ping", "anyio's pool"),
    delay_s=0.2,
    subject="a background task of 200 ms",
)
"""Users pause, and get their response before its work ends; the bystander calls a `def`."""

SCENARIOS = (
    full_pool(
        "health-async",
        contender="async /health",
        question="async def /health next to a full pool: does it respond in time?",
        expect="yes: in some milliseconds",
        why="It runs on the loop, which is nearly idle.",
        bystander=ping("/health"),
    ),
    full_pool(
        "health-sync",
        contender="def /health",
        question="def /health next to a full pool: does it respond in time?",
        expect="no: it queues for (users - threads) x delay / threads = 750 ms",
        why="Every def endpoint takes one of the 40 threads, and /health queues for one. An "
        "orchestrator with a short timeout would kill a service that works.",
        bystander=ping("/sync/health", "anyio's pool"),
    ),
    full_pool(
        "depends-async",
        contender="async Depends",
        question="async def with an async def Depends, next to a full pool: does it wait?",
        expect="as health-async",
        why="Both run on the loop.",
        bystander=ping("/guarded"),
    ),
    full_pool(
        "depends-sync",
        contender="def Depends",
        question="async def with a trivial def Depends, next to a full pool: does it wait?",
        expect="as health-sync: the async def endpoint waits for a thread",
        why="FastAPI runs each def dependency in the pool: one trivial get_settings() takes a "
        "token.",
        bystander=ping("/guarded/sync", "anyio's pool"),
    ),
    rare(
        "rare-awaits",
        question="1 % of the traffic awaits like the other 99 %: what is the baseline?",
        expect="users / delay rps, and hardly any bystander latency",
        why="The baseline of rare-blocks and rare-sync.",
        rare=RareRequest("/async/sleep", "async def"),
    ),
    rare(
        "rare-blocks",
        question="1 % of the traffic goes to one async def that blocks: which routes slow down?",
        expect="all: throughput halves, and every route waits, /ping too",
        why="Each such request blocks the loop for 200 ms: on average a request takes 2 ms of the "
        "loop, which then serves at most 500 rps.",
        rare=RareRequest("/async/sleep/sync", "async def that blocks"),
    ),
    rare(
        "rare-sync",
        contender="def",
        question="1 % of the traffic goes to a def with the same call: does that fix it?",
        expect="as rare-awaits",
        why="Ten requests per second of 200 ms each use two of 40 threads.",
        rare=RareRequest("/sync/sleep", "def"),
    ),
    full_executor(
        "executor-ping",
        contender="/ping",
        question="asyncio.to_thread under 50 users: how many threads are there?",
        expect="min(32, cores + 4), and a free loop: /ping does not wait",
        why="to_thread uses asyncio's default executor, not anyio's pool of 40: on two cores it "
        "has 6 threads. anyio's limiter counts none of them.",
        bystander=ping("/ping"),
    ),
    full_executor(
        "executor-file",
        contender="aiofiles",
        question="aiofiles next to a full executor: does reading a small file wait?",
        expect="yes, three times: it queues for the executor to open, to read and to close",
        why="aiofiles runs each of its calls in the same executor, one after the other.",
        bystander=ping("/async/json", "asyncio's executor", turns=3),
    ),
    full_executor(
        "executor-dns",
        contender="a name",
        question="a name lookup next to a full executor: does it wait?",
        expect="yes: it queues once for the executor, though looking up localhost is instant",
        why="asyncio's getaddrinfo runs in the default executor too: each new connection to a host "
        "name queues there.",
        bystander=ping("/async/resolve", "asyncio's executor"),
    ),
    background(
        "background-async",
        contender="async def",
        question="an async def background task that awaits: what does it hold up?",
        expect="nothing: immediate responses, and no bystander latency",
        why="It waits on the loop, which serves other requests meanwhile.",
        endpoint=Endpoint("/background/async", "async def", answers_first=True),
    ),
    background(
        "background-sync",
        contender="def",
        question="a def background task: where does it run?",
        expect="in the pool: immediate responses, and a def endpoint that waits longer and longer",
        why="It holds a thread in the pool for 200 ms: the pool finishes 200 tasks per second, and "
        "about 250 start. Responses precede the work, so nothing slows the users down.",
        endpoint=Endpoint("/background/sync", "async def that offloads", answers_first=True),
    ),
    background(
        "background-blocks",
        question="an async def background task that blocks: what waits after the response?",
        expect="every request: 1 / delay = 5 rps",
        why="It runs on the loop: each task blocks it for 200 ms, though its response is sent.",
        endpoint=Endpoint("/background/async/sync", "async def that blocks", answers_first=True),
    ),
)
