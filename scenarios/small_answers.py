"""Answers that wait for nothing: what do the endpoint's style, a stream's pieces and middlewares
cost?"""

from scenarios.model import Endpoint, Load, Scenario, Server, Style

SERVER = Server(loop="auto", http="auto", worker_timeout_s=0.0)
TWENTY_USERS = Load(users=20, spawn_rate=20.0, duration_s=10.0)


def nothing(name: str, path: str, style: Style, question: str, expect: str, why: str) -> Scenario:
    return Scenario(
        name=name,
        group="nothing",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint(path, style),
        server=SERVER,
        load=TWENTY_USERS,
        subject="an answer that needs nothing",
        contender=style,
    )


NOTHING: tuple[Scenario, ...] = (
    nothing(
        "nothing-async",
        "/ping",
        "async def",
        question="async def that answers at once: what does a request cost?",
        expect="thousands of rps",
        why="Parsing, routing, answering: all of it on the loop.",
    ),
    nothing(
        "nothing-sync",
        "/sync/ping",
        "def",
        question="def that answers at once: what does the way to the pool and back cost?",
        expect="about half of the rps of nothing-async",
        why="A hand-over to a thread and back is as much work as the request itself.",
    ),
)


def streamed(
    name: str, contender: str, path: str, style: Style, question: str, expect: str, why: str
) -> Scenario:
    return Scenario(
        name=name,
        group="stream",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint(path, style),
        server=SERVER,
        load=TWENTY_USERS,
        subject="an answer in 100 pieces",
        contender=contender,
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


def layered(name: str, contender: str, question: str, expect: str, why: str) -> Scenario:
    return Scenario(
        name=f"layers-{name}",
        group="layers",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint(f"/layers/{name}/ping", "async def"),
        server=SERVER,
        load=TWENTY_USERS,
        subject="five middlewares that do nothing",
        contender=contender,
    )


LAYERS: tuple[Scenario, ...] = (
    layered(
        "none",
        "none",
        question="a small answer with no middleware of its own",
        expect="thousands of rps",
        why="The base of the two others.",
    ),
    layered(
        "pure",
        "pure ASGI",
        question="below five middlewares in plain ASGI",
        expect="hardly fewer rps",
        why="Each is one call and one await more, about a microsecond.",
    ),
    layered(
        "base",
        "BaseHTTP",
        question="below five of Starlette's BaseHTTPMiddleware",
        expect="a third of the rps or less",
        why="Each makes a task group, a queue and a response anew, some 80 microseconds.",
    ),
)
