"""Answers that wait for nothing: what do the endpoint's style, a stream's pieces and middlewares
cost?"""

from functools import partial

from scenarios.model import Endpoint, Load, Scenario, Server

RANK = 40
QUESTIONS = {
    "nothing": "an answer at once: what does the way to a thread cost?",
    "stream": "an answer in 100 pieces: what does each piece cost?",
    "layers": "five middlewares that do nothing: what do they cost?",
}

small = partial(
    Scenario,
    server=Server(loop="auto", http="auto", worker_timeout_s=0.0),
    load=Load(users=20, spawn_rate=20.0, duration_s=10.0),
)
nothing = partial(small, group="nothing", subject="an answer that needs nothing")
stream = partial(small, group="stream", subject="an answer in 100 pieces")
layers = partial(small, group="layers", subject="five middlewares that do nothing")

SCENARIOS = (
    nothing(
        "nothing-async",
        contender="async def",
        question="async def that answers at once: what does a request cost?",
        expect="thousands of rps",
        why="Parsing, routing, answering: all of it on the loop.",
        endpoint=Endpoint("/ping", "async def"),
    ),
    nothing(
        "nothing-sync",
        contender="def",
        question="def that answers at once: what does the way to the pool and back cost?",
        expect="about half of the rps of nothing-async",
        why="A hand-over to a thread and back is as much work as the request itself.",
        endpoint=Endpoint("/sync/ping", "def"),
    ),
    stream(
        "stream-async",
        contender="async def",
        question="a stream from an async def generator: what does a piece cost?",
        expect="some hundred rps or more: CPU of the loop and nothing else",
        why="A piece is some calls and no hand-over. All of them go in one turn of the loop, as "
        "long as the connection takes them: others wait for that.",
        endpoint=Endpoint("/stream/async", "async def"),
    ),
    stream(
        "stream-sync",
        contender="def",
        question="a stream from a def generator: who fetches the pieces?",
        expect="several times fewer rps than stream-async",
        why="Each piece is fetched by a thread of the pool: a hundred hand-overs for one answer.",
        endpoint=Endpoint("/stream/sync", "async def that offloads"),
    ),
    layers(
        "layers-none",
        question="a small answer with no middleware of its own",
        expect="thousands of rps",
        why="The base of the two others.",
        endpoint=Endpoint("/layers/none/ping", "async def"),
    ),
    layers(
        "layers-pure",
        contender="pure ASGI",
        question="below five middlewares in plain ASGI",
        expect="hardly fewer rps",
        why="Each is one call and one await more, about a microsecond.",
        endpoint=Endpoint("/layers/pure/ping", "async def"),
    ),
    layers(
        "layers-base",
        contender="BaseHTTP",
        question="below five of Starlette's BaseHTTPMiddleware",
        expect="a third of the rps or less",
        why="Each makes a task group, a queue and a response anew, some 80 microseconds.",
        endpoint=Endpoint("/layers/base/ping", "async def"),
    ),
)
