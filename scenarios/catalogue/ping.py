"""How fast can it go: the smallest answer there is, under a load that grows until it is saturated.

As published: `/ping` under up to 200 users, uvicorn with its access log and without. Here the users
come slowly, so that the ramp shows from how many on the throughput grows no more.
"""

from functools import partial

from scenarios.model import Endpoint, Load, Scenario, Server

RANK = 90
QUESTIONS = {"ping": "the smallest answer: how fast can one process go?"}

ping = partial(Scenario, group="ping", load=Load(users=50, spawn_rate=5.0), subject="GET /ping")
python = partial(ping, endpoint=Endpoint("/ping", "async def"))
served = partial(
    Server, kind="uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.tasks"
)

SCENARIOS = (
    python(
        "ping-uvicorn",
        question="one small JSON from uvicorn, no access log: how fast can one loop go?",
        expect="thousands of rps, from a handful of users on no more",
        why="A request is nothing but CPU here: its inverse is the ceiling of one loop, and a few "
        "users keep it busy.",
        server=served(),
    ),
    python(
        "ping-log-file",
        question="the same with an access log that goes to a file: what does a line cost?",
        expect="clearly fewer rps than ping-uvicorn",
        why="Each line is formatted and written on the loop, between the requests; a file never "
        "makes the write wait.",
        server=served(access_log="file"),
    ),
    python(
        "ping-log-terminal",
        question="the same with a terminal that takes 64 KiB a second: who waits for it?",
        expect="as many rps as the terminal takes lines, some thousand; a loop that stands still",
        why="A full pipe makes write() wait, and it waits on the loop: everybody waits for the "
        "terminal. What logging itself costs is in ping-log-file.",
        server=served(access_log="terminal"),
    ),
    python(
        "ping-asyncio-h11",
        question="asyncio and h11 instead of uvloop and httptools",
        expect="the fewest rps of those without a log",
        why="h11 parses in Python, and asyncio's selector loop runs in Python.",
        server=served(loop="asyncio", http="h11"),
    ),
    python(
        "ping-asyncio",
        question="asyncio with httptools: what is uvloop alone worth?",
        expect="between ping-asyncio-h11 and ping-uvicorn",
        why="The parser is C again, the loop is not.",
        server=served(loop="asyncio"),
    ),
    python(
        "ping-h11",
        question="uvloop with h11: what is httptools alone worth?",
        expect="between ping-asyncio-h11 and ping-uvicorn",
        why="The loop is C again, the parser is not.",
        server=served(http="h11"),
    ),
    python(
        "ping-gunicorn",
        question="the same worker behind gunicorn: does the manager cost anything?",
        expect="as many rps as ping-uvicorn",
        why="gunicorn's master hands the socket over and watches; no request passes it.",
        server=served(kind="gunicorn"),
    ),
    ping(
        "ping-axum",
        question="Axum on one thread",
        expect="more than one load process can ask for: see GENERATOR_SATURATED",
        why="Some microseconds a request.",
        endpoint=Endpoint("/ping", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    ping(
        "ping-gin",
        question="gin on one thread",
        expect="more than one load process can ask for: see GENERATOR_SATURATED",
        why="Some microseconds a request.",
        endpoint=Endpoint("/ping", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
)
