"""What the frames of Starlette, FastAPI and the servers mean, as data.

From the sources of Starlette 1.10 and FastAPI 0.165 (routing, dependencies/utils, responses,
background, endpoints, middleware/base, errors, exceptions, _exception_handler). A boundary is a
function that calls code of the app's: what runs below it, up to the next boundary, is that phase.
"""

from collections.abc import Mapping
from typing import Literal

BlockPhase = Literal[
    "startup", "middleware", "dependency", "endpoint", "response", "teardown", "background",
    "stream", "websocket", "exception-handler", "callback",
]  # fmt: skip

HandoverPhase = BlockPhase | Literal["file"]
"""What hands work to a thread: a phase of a request, or the reading and writing of a file in it."""

BOUNDARIES: Mapping[tuple[str, str], BlockPhase] = {
    ("fastapi.routing", "run_endpoint_function"): "endpoint",
    ("fastapi.routing", "_run_sync_endpoint"): "endpoint",
    ("fastapi.routing", "serialize_response"): "response",
    ("fastapi.routing", "_build_response_args"): "response",
    ("fastapi.routing", "_serialize_data"): "stream",
    ("fastapi.routing", "_serialize_item"): "stream",
    ("fastapi.routing", "_serialize_sse_item"): "stream",
    ("fastapi.routing", "_producer"): "stream",
    ("fastapi.routing", "_async_stream_jsonl"): "stream",
    ("fastapi.routing", "_async_stream_raw"): "stream",
    ("fastapi.routing", "app"): "endpoint",
    ("fastapi.dependencies.utils", "solve_dependencies"): "dependency",
    ("fastapi.dependencies.utils", "_solve_generator"): "dependency",
    ("fastapi.dependencies.utils", "request_params_to_args"): "dependency",
    ("fastapi.dependencies.utils", "request_body_to_args"): "dependency",
    ("fastapi.middleware.asyncexitstack", "__call__"): "middleware",
    ("starlette.routing", "app"): "endpoint",
    ("starlette.routing", "handle"): "endpoint",
    ("starlette.routing", "lifespan"): "startup",
    ("starlette.routing", "startup"): "startup",
    ("starlette.endpoints", "dispatch"): "endpoint",
    ("starlette.background", "__call__"): "background",
    ("starlette.responses", "__call__"): "response",
    ("starlette.responses", "stream_response"): "stream",
    ("starlette.responses", "_handle_simple"): "response",
    ("starlette._exception_handler", "wrapped_app"): "exception-handler",
    ("starlette.middleware.base", "coro"): "middleware",
    ("starlette.applications", "__call__"): "middleware",
    ("uvicorn.lifespan.on", "main"): "startup",
    ("asyncio.events", "_run"): "callback",
}
RUNNERS = frozenset(
    {
        ("asyncio.runners", "run"),
        ("uvicorn._compat", "asyncio_run"),
        ("asyncio.base_events", "run_until_complete"),
        ("asyncio.base_events", "run_forever"),
        ("uvloop", "run"),
    }
)
"""Functions that run an event loop: what calls them, a server's start or the user's own main, is
not what blocks it."""
MIDDLEWARE = ("starlette.middleware.", "fastapi.middleware.")
"""Every function of these modules that is no boundary itself is one of a middleware."""
SERVERS = ("uvicorn.", "hypercorn.", "granian.", "gunicorn.")
"""Code that a server calls directly is an app of its own, or the outermost middleware."""

SENDS = "send("
"""In a framework's line: it calls what a middleware put around `send`."""
HANDLES = "self.handler("
"""In a line of ServerErrorMiddleware: it calls the handler of error 500."""
LEAVES = ("__aexit__", "__exit__", "aclose", "_shutdown", "shutdown")
"""Functions that leave a context: what they call below a route's stack is a dependency's end."""
WRITES_BODY = "starlette.responses"
AROUND_ENDPOINT: Mapping[str, BlockPhase] = {
    "starlette.requests": "dependency",
    WRITES_BODY: "response",
}
"""Modules that the function around an endpoint calls itself, to read and to answer a request."""

HANDS_OVER = ("anyio.", "asyncio.", "concurrent.", "starlette.concurrency", "fastapi.concurrency")
"""Modules that pass a call on to a thread: who calls them asks for it."""
FILES = (
    "anyio._core._fileio",
    "aiofiles.",
    "starlette.staticfiles",
    "starlette.datastructures",
    WRITES_BODY,
)
"""Modules that ask for a thread in order to work with a file."""
CHUNKS = ("starlette.concurrency", "iterate_in_threadpool")
"""Takes each chunk of a sync generator in a thread."""

LIBRARY = (
    r"(?:/lib(?:64)?/python\d+\.\d+t?/)(?:(?:site|dist)-packages/|lib-dynload/)?"
    r"|/(?:site|dist)-packages/|^<"
)
"""Of a frame's file: not the user's own code."""
PROBE = "asgi_probe"
