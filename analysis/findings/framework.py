"""What the stack frames of frameworks and servers mean, as data.

From the sources of Starlette 1.10 and FastAPI 0.165 (routing, dependencies/utils, responses,
background, endpoints, middleware/base, errors, exceptions, _exception_handler), of Litestar 2.25
(routes, di, response, background_tasks, middleware), Quart 0.22 (app, asgi) and Django 5.2
(core/handlers). A boundary is a function that calls code of the app: everything below it, up to the
next boundary, runs in that phase.
"""

from collections.abc import Mapping
from typing import Literal

BlockPhase = Literal[
    "startup", "middleware", "dependency", "endpoint", "response", "teardown", "background",
    "stream", "websocket", "exception-handler", "callback",
]  # fmt: skip

HandoverPhase = BlockPhase | Literal["file"]
"""The origin of an offloaded call: a phase of a request, or file access within it."""

LITESTAR_ERRORS = "litestar.middleware._internal.exceptions.middleware"
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
    ("litestar.routes.http", "_call_handler_function"): "endpoint",
    ("litestar.routes.http", "handle"): "endpoint",
    ("litestar.routes.websocket", "handle"): "websocket",
    ("litestar.handlers.base", "authorize_connection"): "dependency",
    ("litestar.handlers.http_handlers.base", "to_response"): "response",
    ("litestar._kwargs.dependencies", "resolve_dependency"): "dependency",
    ("litestar._kwargs.cleanup", "close"): "teardown",
    ("litestar._kwargs.kwargs_model", "to_kwargs"): "dependency",
    ("litestar._signature.model", "parse_values_from_connection_kwargs"): "dependency",
    ("litestar.response.base", "__call__"): "response",
    ("litestar.response.streaming", "_stream"): "stream",
    ("litestar.background_tasks", "__call__"): "background",
    ("litestar._asgi.asgi_router", "__call__"): "middleware",
    ("litestar._asgi.asgi_router", "lifespan"): "startup",
    (LITESTAR_ERRORS, "handle_request_exception"): "exception-handler",
    (LITESTAR_ERRORS, "handle_websocket_exception"): "exception-handler",
    ("quart.app", "dispatch_request"): "endpoint",
    ("quart.app", "dispatch_websocket"): "websocket",
    ("quart.app", "preprocess_request"): "middleware",
    ("quart.app", "preprocess_websocket"): "middleware",
    ("quart.app", "process_response"): "middleware",
    ("quart.app", "postprocess_websocket"): "middleware",
    ("quart.app", "finalize_request"): "response",
    ("quart.app", "do_teardown_request"): "teardown",
    ("quart.app", "do_teardown_websocket"): "teardown",
    ("quart.app", "do_teardown_appcontext"): "teardown",
    ("quart.app", "handle_user_exception"): "exception-handler",
    ("quart.app", "handle_http_exception"): "exception-handler",
    ("quart.app", "handle_exception"): "exception-handler",
    ("quart.app", "handle_websocket_exception"): "exception-handler",
    ("quart.app", "_wrapper"): "background",
    ("quart.app", "startup"): "startup",
    ("quart.asgi", "_send_response"): "stream",
    ("django.core.handlers.base", "_get_response_async"): "endpoint",
    ("django.core.handlers.exception", "inner"): "middleware",
    ("django.core.handlers.asgi", "run_get_response"): "middleware",
    ("django.core.handlers.asgi", "send_response"): "stream",
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
"""Functions that run an event loop. Their callers, a server's start or the user's own main, do not
block it."""
MIDDLEWARE = ("starlette.middleware.", "fastapi.middleware.", "litestar.middleware.")
"""All functions of these modules belong to a middleware, except boundaries."""
SERVERS = ("uvicorn.", "hypercorn.", "granian.", "gunicorn.")
"""Code that a server calls directly is an app, or the outermost middleware."""

SENDS = "send("
"""In a framework's line: it calls the `send` that a middleware wrapped."""
HANDLES = "self.handler("
"""In a line of ServerErrorMiddleware: it calls the handler of error 500."""
LEAVES = ("__aexit__", "__exit__", "aclose", "_shutdown", "shutdown")
"""Functions that leave a context. Below a route's stack, they call a dependency's exit code."""
WRITES_BODY = "starlette.responses"
AROUND_ENDPOINT: Mapping[str, BlockPhase] = {
    "starlette.requests": "dependency",
    WRITES_BODY: "response",
}
"""Modules that the function around an endpoint calls to read a request and to respond."""

HANDS_OVER = ("anyio.", "asyncio.", "concurrent.", "starlette.concurrency", "fastapi.concurrency")
"""Modules that move a call to a thread on behalf of their caller."""
FILES = (
    "anyio._core._fileio",
    "aiofiles.",
    "starlette.staticfiles",
    "starlette.datastructures",
    WRITES_BODY,
)
"""Modules that use a thread to access a file."""
CHUNKS = ("starlette.concurrency", "iterate_in_threadpool")
"""Fetches each chunk of a sync generator in a thread."""

LIBRARY = (
    r"(?:/lib(?:64)?/python\d+\.\d+t?/)(?:(?:site|dist)-packages/|lib-dynload/)?"
    r"|/(?:site|dist)-packages/|^<"
)
"""Matches the file of a frame that is not the user's own code, unless it is of an installed
service."""
INSTALLED = r".*/(?:site|dist)-packages/(?P<package>[^/]+?)(?:/|\.py$)"
"""Matches the path of an installed package's folder, or of a single module."""
PROBE = "asgi_probe"
