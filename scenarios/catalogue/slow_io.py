"""Sync and async endpoints that wait: for an upstream (classic, fair), or for a timer (control)."""

from functools import partial

from scenarios.model import AS_USERS, Client, Endpoint, Scenario, Server, Upstream

RANK = 10
QUESTIONS = {
    "classic": "the published code, a client per call: what limits it?",
    "fair": "one shared client, enough threads: does def cost more?",
    "control": "a sleep and no client: what do the styles alone do?",
}

upstream = partial(Scenario, delay_s=1.0, upstream=Upstream())
classic = partial(upstream, group="classic", server=Server(), client=Client())
"""As the original study had it: gunicorn, one worker, asyncio, h11, killed after 30 s silence;
`httpx.Client()` or `httpx.AsyncClient()` with its defaults, made anew for each request."""
fair = partial(
    upstream,
    group="fair",
    server=Server(loop="auto", http="auto", worker_timeout_s=0.0, pool=AS_USERS),
    client=Client(library="pyreqwest", life="shared", timeout_s=60.0, connections=AS_USERS),
)
"""One client for all, with limits that never bind, so that only the endpoint style differs: both
forms of pyreqwest are one engine, and a call hardly costs more with 500 in flight than with 1
(docs/methods.md has the figures)."""
control = partial(Scenario, group="control", server=Server(worker_timeout_s=0.0), delay_s=1.0)

SCENARIOS = (
    classic(
        "sync-http",
        question="def + blocking httpx, 40 threads: how many requests a second?",
        expect="just under 40 rps whatever the load, and a median of users / rps, about 13 s",
        why="40 threads each wait out the delay: 40 / delay is the ceiling. The queue before the "
        "pool is the latency. A TLS context per request takes some CPU off the ceiling.",
        endpoint=Endpoint("/sync/http", "def"),
    ),
    classic(
        "async-http",
        question="async def + awaited httpx, a client per request: what limits it?",
        expect="some 50 rps, a median of many seconds, some timeouts, in some runs a killed worker",
        why="Not asyncio: httpx.AsyncClient() builds a TLS context, 15 to 20 ms of CPU on the "
        "loop, for each request. 1 / 0.02 s is 50 rps. gunicorn's heartbeat waits in the same "
        "queue as the requests, and is sometimes too late.",
        endpoint=Endpoint("/async/http", "async def"),
    ),
    classic(
        "async-http-sync",
        question="async def + blocking httpx: what happens to everybody?",
        expect="about one request a second, and every open connection reset every 31 s",
        why="The loop serves one request at a time, and gunicorn's heartbeat runs on that loop: "
        "after 30 s of silence the master kills the worker with all its connections.",
        endpoint=Endpoint("/async/http/sync", "async def that blocks"),
    ),
    fair(
        "sync-http-shared",
        question="def with one shared client and a thread per user: is it slower than async def?",
        expect="as many rps as users / delay, a median of the delay, hundreds of threads",
        why="With a pool as large as the load nobody queues; waiting threads cost memory, "
        "hardly CPU.",
        endpoint=Endpoint("/sync/http", "def"),
    ),
    fair(
        "async-http-shared",
        question="async def with one shared client: what can one loop hold?",
        expect="as many rps as users / delay, a median of the delay, one thread",
        why="Waiting is all that this endpoint does, and the loop waits for all of them at once.",
        endpoint=Endpoint("/async/http", "async def"),
    ),
    fair(
        "async-http-sync-shared",
        question="async def that blocks, with everything else right: is it any better?",
        expect="1 / delay, whatever else is done; nearly nobody is answered",
        why="A blocked loop is one server with one place: no client, pool or timeout changes that.",
        endpoint=Endpoint("/async/http/sync", "async def that blocks"),
    ),
    fair(
        "async-http-offload",
        question="the repair: async def that hands its blocking call to the pool",
        expect="the same as sync-http-shared",
        why="run_sync moves the wait to a thread, which is what `def` does for you.",
        endpoint=Endpoint("/async/http/offload", "async def that offloads"),
    ),
    upstream(
        "axum-http-shared",
        group="fair",
        question="Axum on one thread: what does an async runtime without an interpreter hold?",
        expect="the same as async-http-shared, for a tenth of the CPU",
        why="Who waits for a second is not waiting for Python: the ceiling is users / delay here "
        "too. How much further it goes is what the CPU of a request tells.",
        endpoint=Endpoint("/async/http", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    upstream(
        "gin-http-shared",
        group="fair",
        question="gin on one thread: a goroutine for each request, each waiting for the upstream",
        expect="the same as async-http-shared, for a tenth of the CPU",
        why="A goroutine that waits costs some KiB and no thread.",
        endpoint=Endpoint("/async/http", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
    control(
        "sync-sleep",
        question="def + time.sleep: the pool alone, no client at all",
        expect="40 / delay, to the percent",
        why="40 threads, each busy for one delay.",
        endpoint=Endpoint("/sync/sleep", "def"),
    ),
    control(
        "async-sleep",
        question="async def + awaited sleep: the loop alone, no client at all",
        expect="users / delay, a median of the delay",
        why="A sleeping task costs a timer.",
        endpoint=Endpoint("/async/sleep", "async def"),
    ),
    control(
        "async-sleep-sync",
        question="async def + time.sleep: blocking alone, no client at all",
        expect="1 / delay, to the percent",
        why="One loop, one sleeper at a time.",
        endpoint=Endpoint("/async/sleep/sync", "async def that blocks"),
    ),
)
