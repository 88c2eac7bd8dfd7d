"""Responses that wait for nothing: the cost of the endpoint's style, of a stream's pieces and of
middleware."""

from functools import partial

from scenarios.model import Endpoint, Load, Scenario, Server

RANK = 40
QUESTIONS = {
    "nothing": "an immediate response: what does a thread cost?",
    "stream": "a response in 100 pieces: what does a piece cost?",
    "layers": "five middlewares that do nothing: what do they cost?",
}

small = partial(
    Scenario,
    server=Server(loop="auto", http="auto", worker_timeout_s=0.0),
    load=Load(users=20, spawn_rate=20.0, duration_s=10.0),
)
nothing = partial(small, group="nothing", subject="an immediate response")
stream = partial(small, group="stream", subject="a response in 100 pieces")
layers = partial(small, group="layers", subject="five middlewares that do nothing")

SCENARIOS = (
    nothing(
        "nothing-async",
        contender="async def",
        question="async def that responds at once: what does a request cost?",
        expect="thousands of rps",
        why="Parsing, routing and responding all run on the loop.",
        endpoint=Endpoint("/ping", "async def"),
    ),
    nothing(
        "nothing-sync",
        contender="def",
        question="def that responds at once: what does the way to the pool and back cost?",
        expect="about half of the rps of nothing-async",
        why="Moving the call to a thread and back is as much work as the request itself.",
        endpoint=Endpoint("/sync/ping", "def"),
    ),
    stream(
        "stream-async",
        contender="async def",
        question="a stream from an async def generator: what does a piece cost?",
        expect="some hundred rps or more, limited only by the loop's CPU",
        why="A piece is a few calls on the loop. The loop sends all pieces in one turn as long as "
        "the connection takes them, and other requests wait for that turn to end.",
        endpoint=Endpoint("/stream/async", "async def"),
    ),
    stream(
        "stream-sync",
        contender="def",
        question="a stream from a def generator: what does a piece cost?",
        expect="a fraction of the rps of stream-async",
        why="A thread in the pool fetches each piece: a hundred offloaded calls per response.",
        endpoint=Endpoint("/stream/sync", "async def that offloads"),
    ),
    layers(
        "layers-none",
        question="a small response without the five middlewares: what is the baseline?",
        expect="thousands of rps",
        why="The baseline of layers-pure and layers-base.",
        endpoint=Endpoint("/layers/none/ping", "async def"),
    ),
    layers(
        "layers-pure",
        contender="pure ASGI",
        question="five middlewares in pure ASGI: what do they cost?",
        expect="hardly fewer rps",
        why="Each adds one call and one await, about a microsecond.",
        endpoint=Endpoint("/layers/pure/ping", "async def"),
    ),
    layers(
        "layers-base",
        contender="BaseHTTP",
        question="five of Starlette's BaseHTTPMiddleware: what do they cost?",
        expect="a third of the rps or less",
        why="Each makes a task group, a queue and a new response: about 80 microseconds.",
        endpoint=Endpoint("/layers/base/ping", "async def"),
    ),
)
