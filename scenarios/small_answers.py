"""Answers that wait for nothing: what do the endpoint's style, a stream's pieces and middlewares
cost?"""

from functools import partial

from scenarios.model import Endpoint, Load, Scenario, Server, Style

SERVER = Server(loop="auto", http="auto", worker_timeout_s=0.0)
TWENTY_USERS = Load(users=20, spawn_rate=20.0, duration_s=10.0)


def make_small_scenario(
    group: str,
    subject: str,
    name: str,
    contender: str,
    path: str,
    style: Style,
    question: str,
    expect: str,
    why: str,
) -> Scenario:
    return Scenario(
        name=name,
        group=group,
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint(path, style),
        server=SERVER,
        load=TWENTY_USERS,
        subject=subject,
        contender=contender,
    )


nothing = partial(make_small_scenario, "nothing", "an answer that needs nothing")
streamed = partial(make_small_scenario, "stream", "an answer in 100 pieces")
layered = partial(make_small_scenario, "layers", "five middlewares that do nothing")

NOTHING: tuple[Scenario, ...] = (
    nothing(
        "nothing-async",
        "async def",
        "/ping",
        "async def",
        question="async def that answers at once: what does a request cost?",
        expect="thousands of rps",
        why="Parsing, routing, answering: all of it on the loop.",
    ),
    nothing(
        "nothing-sync",
        "def",
        "/sync/ping",
        "def",
        question="def that answers at once: what does the way to the pool and back cost?",
        expect="about half of the rps of nothing-async",
        why="A hand-over to a thread and back is as much work as the request itself.",
    ),
)


STREAM: tuple[Scenario, ...] = (
    streamed(
        "stream-async",
        "async def",
        "/stream/async",
        "async def",
        question="a stream from an async def generator: what does a piece cost?",
        expect="some hundred rps or more: CPU of the loop and nothing else",
        why="A piece is some calls and no hand-over. All of them go in one turn of the loop, as "
        "long as the connection takes them: others wait for that.",
    ),
    streamed(
        "stream-sync",
        "def",
        "/stream/sync",
        "async def that offloads",
        question="a stream from a def generator: who fetches the pieces?",
        expect="several times fewer rps than stream-async",
        why="Each piece is fetched by a thread of the pool: a hundred hand-overs for one answer.",
    ),
)


LAYERS: tuple[Scenario, ...] = (
    layered(
        "layers-none",
        "none",
        "/layers/none/ping",
        "async def",
        question="a small answer with no middleware of its own",
        expect="thousands of rps",
        why="The base of the two others.",
    ),
    layered(
        "layers-pure",
        "pure ASGI",
        "/layers/pure/ping",
        "async def",
        question="below five middlewares in plain ASGI",
        expect="hardly fewer rps",
        why="Each is one call and one await more, about a microsecond.",
    ),
    layered(
        "layers-base",
        "BaseHTTP",
        "/layers/base/ping",
        "async def",
        question="below five of Starlette's BaseHTTPMiddleware",
        expect="a third of the rps or less",
        why="Each makes a task group, a queue and a response anew, some 80 microseconds.",
    ),
)
