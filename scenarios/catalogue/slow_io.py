"""Sync and async endpoints that wait for an upstream (classic, fair) or for a timer (control)."""

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
"""The setup of the original study: gunicorn with one worker, asyncio, h11 and a worker timeout of
30 s; a new `httpx.Client()` or `httpx.AsyncClient()` with default settings per request."""
fair = partial(
    upstream,
    group="fair",
    server=Server(loop="auto", http="auto", worker_timeout_s=0.0, pool=AS_USERS),
    client=Client(library="pyreqwest", life="shared", timeout_s=60.0, connections=AS_USERS),
)
"""One shared client, with limits that never bind, so that only the endpoint style differs: both
forms of pyreqwest use one engine, and a call costs hardly more CPU with 500 in flight than with 1
(docs/methods.md has the figures)."""
control = partial(Scenario, group="control", server=Server(worker_timeout_s=0.0), delay_s=1.0)

SCENARIOS = (
    classic(
        "sync-http",
        question="def + blocking httpx, 40 threads: how many requests per second?",
        expect="just under 40 rps under any load, and a median of users / rps, about 13 s",
        why="Each of 40 threads waits for the whole delay: the ceiling is 40 / delay. The latency "
        "is the queue for a thread. Building a TLS context per request lowers the ceiling a bit.",
        endpoint=Endpoint("/sync/http", "def"),
    ),
    classic(
        "async-http",
        question="async def + awaited httpx, a client per request: what limits it?",
        expect="about 50 rps, a median of many seconds, timeouts, in some runs a killed worker",
        why="httpx.AsyncClient() builds a TLS context per request, which takes 15 to 20 ms of CPU "
        "on the loop: 1 / 0.02 s = 50 rps. gunicorn's heartbeat waits in the same queue as the "
        "requests, and is sometimes late.",
        endpoint=Endpoint("/async/http", "async def"),
    ),
    classic(
        "async-http-sync",
        question="async def + blocking httpx: what happens to all other requests?",
        expect="about 1 rps, and every connection reset every 31 s",
        why="The loop serves one request at a time, and gunicorn's heartbeat runs on that loop: "
        "after 30 s without one the master kills the worker and resets its connections.",
        endpoint=Endpoint("/async/http/sync", "async def that blocks"),
    ),
    fair(
        "sync-http-shared",
        question="def with one shared client and a thread per user: is it slower than async def?",
        expect="users / delay rps, a median of the delay, hundreds of threads",
        why="With a thread per user no request queues; waiting threads cost memory and hardly any "
        "CPU.",
        endpoint=Endpoint("/sync/http", "def"),
    ),
    fair(
        "async-http-shared",
        question="async def with one shared client: how many requests can one loop await?",
        expect="users / delay rps, a median of the delay, one thread",
        why="The endpoint only waits, and the loop awaits all requests at once.",
        endpoint=Endpoint("/async/http", "async def"),
    ),
    fair(
        "async-http-sync-shared",
        question="async def that blocks, with a shared client and no timeout: is it any better?",
        expect="1 / delay rps; nearly all users get no response",
        why="A blocked loop serves one request at a time: no client, pool or timeout changes that.",
        endpoint=Endpoint("/async/http/sync", "async def that blocks"),
    ),
    fair(
        "async-http-offload",
        question="async def that offloads its blocking call to the pool: does that fix it?",
        expect="the same as sync-http-shared",
        why="run_sync moves the call to a thread, as FastAPI does with a `def` endpoint.",
        endpoint=Endpoint("/async/http/offload", "async def that offloads"),
    ),
    upstream(
        "axum-http-shared",
        group="fair",
        question="Axum on one thread: what does a compiled async runtime gain?",
        expect="the same rps as async-http-shared, for a tenth of the CPU",
        why="A request that waits for a second does not wait for Python: the ceiling is users / "
        "delay here too. The CPU per request shows how much higher the rate could go.",
        endpoint=Endpoint("/async/http", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    upstream(
        "gin-http-shared",
        group="fair",
        question="gin on one thread: what does a goroutine per request gain?",
        expect="the same rps as async-http-shared, for a tenth of the CPU",
        why="A waiting goroutine costs some KiB and no thread.",
        endpoint=Endpoint("/async/http", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
    control(
        "sync-sleep",
        question="def + time.sleep, no client: what does the pool alone limit?",
        expect="40 / delay rps, within a percent",
        why="Each of 40 threads is busy for one delay per request.",
        endpoint=Endpoint("/sync/sleep", "def"),
    ),
    control(
        "async-sleep",
        question="async def + awaited sleep, no client: what does the loop alone limit?",
        expect="nothing: users / delay rps, a median of the delay",
        why="A sleeping task costs one timer.",
        endpoint=Endpoint("/async/sleep", "async def"),
    ),
    control(
        "async-sleep-sync",
        question="async def + time.sleep, no client: what does a blocking call alone limit?",
        expect="1 / delay rps, within a percent",
        why="The loop runs one sleep at a time.",
        endpoint=Endpoint("/async/sleep/sync", "async def that blocks"),
    ),
)
