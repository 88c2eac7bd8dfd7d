"""How fast can it go: the smallest answer there is, under a load that grows until it is saturated.

As published: `/ping` under up to 200 users, uvicorn with its access log and without. Here the users
come slowly, so that the ramp shows from how many on the throughput grows no more.
"""

from dataclasses import replace

from scenarios.model import Endpoint, Load, Scenario, Server, Style

PLAIN = Server("uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.tasks")
GROWING = Load(users=50, spawn_rate=5.0)
SUBJECT = "GET /ping"


def make_ping_scenario(name: str, server: Server, question: str, expect: str, why: str) -> Scenario:
    style: Style = "async fn" if server.kind == "axum" else "goroutine"
    return Scenario(
        name=f"ping-{name}",
        group="ping",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint("/ping", "async def" if server.is_python else style),
        server=server,
        load=GROWING,
        subject=SUBJECT,
        contender=name,
    )


PING: tuple[Scenario, ...] = (
    make_ping_scenario(
        "uvicorn",
        PLAIN,
        question="one small JSON from uvicorn, no access log: how fast can one loop go?",
        expect="thousands of rps, from a handful of users on no more",
        why="A request is nothing but CPU here: its inverse is the ceiling of one loop, and a few "
        "users keep it busy.",
    ),
    make_ping_scenario(
        "log-file",
        replace(PLAIN, access_log="file"),
        question="the same with an access log that goes to a file: what does a line cost?",
        expect="clearly fewer rps than ping-uvicorn",
        why="Each line is formatted and written on the loop, between the requests; a file never "
        "makes the write wait.",
    ),
    make_ping_scenario(
        "log-terminal",
        replace(PLAIN, access_log="terminal"),
        question="the same with a terminal that takes 64 KiB a second: who waits for it?",
        expect="as many rps as the terminal takes lines, some thousand; a loop that stands still",
        why="A full pipe makes write() wait, and it waits on the loop: everybody waits for the "
        "terminal. What logging itself costs is in ping-log-file.",
    ),
    make_ping_scenario(
        "asyncio-h11",
        replace(PLAIN, loop="asyncio", http="h11"),
        question="asyncio and h11 instead of uvloop and httptools",
        expect="the fewest rps of those without a log",
        why="h11 parses in Python, and asyncio's selector loop runs in Python.",
    ),
    make_ping_scenario(
        "asyncio",
        replace(PLAIN, loop="asyncio"),
        question="asyncio with httptools: what is uvloop alone worth?",
        expect="between ping-asyncio-h11 and ping-uvicorn",
        why="The parser is C again, the loop is not.",
    ),
    make_ping_scenario(
        "h11",
        replace(PLAIN, http="h11"),
        question="uvloop with h11: what is httptools alone worth?",
        expect="between ping-asyncio-h11 and ping-uvicorn",
        why="The loop is C again, the parser is not.",
    ),
    make_ping_scenario(
        "gunicorn",
        replace(PLAIN, kind="gunicorn"),
        question="the same worker behind gunicorn: does the manager cost anything?",
        expect="as many rps as ping-uvicorn",
        why="gunicorn's master hands the socket over and watches; no request passes it.",
    ),
    make_ping_scenario(
        "axum",
        Server("axum", worker_timeout_s=0.0),
        question="Axum on one thread",
        expect="more than one load process can ask for: see GENERATOR_SATURATED",
        why="Some microseconds a request.",
    ),
    make_ping_scenario(
        "gin",
        Server("gin", worker_timeout_s=0.0),
        question="gin on one thread",
        expect="more than one load process can ask for: see GENERATOR_SATURATED",
        why="Some microseconds a request.",
    ),
)
