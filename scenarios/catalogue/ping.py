"""The smallest response, under a load that grows until throughput saturates.

The published test has `/ping` under up to 200 users, on uvicorn with and without its access log.
Here users start slowly, so that the ramp shows at how many users throughput saturates.
"""

from functools import partial

from scenarios.model import Endpoint, Load, Scenario, Server

RANK = 90
QUESTIONS = {"ping": "the smallest response: how fast is one process?"}

ping = partial(Scenario, group="ping", load=Load(users=50, spawn_rate=5.0), subject="GET /ping")
python = partial(ping, endpoint=Endpoint("/ping", "async def"))
served = partial(
    Server, kind="uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.tasks"
)

SCENARIOS = (
    python(
        "ping-uvicorn",
        question="a small JSON from uvicorn, no access log: how fast is one loop?",
        expect="thousands of rps, saturated at a handful of users",
        why="A request is only CPU here: 1 / CPU per request is the ceiling of one loop, and a few "
        "users keep it busy.",
        server=served(),
    ),
    python(
        "ping-log-file",
        question="the same with an access log to a file: what does a line cost?",
        expect="clearly fewer rps than ping-uvicorn",
        why="The loop formats and writes each line between requests; writing to a file does not "
        "wait.",
        server=served(access_log="file"),
    ),
    python(
        "ping-log-terminal",
        question="the same with a terminal that reads 64 KiB per second: which requests wait?",
        expect="all: as many rps as the terminal reads lines, about a thousand; a blocked loop",
        why="write() to a full pipe blocks, and it blocks the loop: every request waits for the "
        "terminal. ping-log-file shows the cost of logging alone.",
        server=served(access_log="terminal"),
    ),
    python(
        "ping-asyncio-h11",
        question="asyncio and h11 instead of uvloop and httptools: what do they cost?",
        expect="the fewest rps of the scenarios without a log",
        why="h11 parses in Python, and asyncio's selector loop runs in Python.",
        server=served(loop="asyncio", http="h11"),
    ),
    python(
        "ping-asyncio",
        question="asyncio with httptools: what does uvloop alone gain?",
        expect="between ping-asyncio-h11 and ping-uvicorn",
        why="Only the parser is in C.",
        server=served(loop="asyncio"),
    ),
    python(
        "ping-h11",
        question="uvloop with h11: what does httptools alone gain?",
        expect="between ping-asyncio-h11 and ping-uvicorn",
        why="Only the loop is in C.",
        server=served(http="h11"),
    ),
    python(
        "ping-gunicorn",
        question="the same worker under gunicorn: does the master cost anything?",
        expect="as many rps as ping-uvicorn",
        why="gunicorn's master passes its socket to the worker and watches it; requests bypass "
        "the master.",
        server=served(kind="gunicorn"),
    ),
    ping(
        "ping-axum",
        question="Axum on one thread: how fast is it?",
        expect="faster than one load process can send: see GENERATOR_SATURATED",
        why="A request takes some microseconds.",
        endpoint=Endpoint("/ping", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    ping(
        "ping-gin",
        question="gin on one thread: how fast is it?",
        expect="faster than one load process can send: see GENERATOR_SATURATED",
        why="A request takes some microseconds.",
        endpoint=Endpoint("/ping", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
)
