"""Who is asking, and which thread is answering."""

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, cast

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

BlockingEndpoint = Callable[[], Response]
AwaitedEndpoint = Callable[[], Awaitable[Response]]
Endpoint = BlockingEndpoint | AwaitedEndpoint
Dependency = Callable[[], str] | Callable[[], Awaitable[str]]


class RouteAdder(Protocol):
    """What gives an endpoint its route."""

    def __call__(self, path: str, *needs: Dependency) -> Callable[[Endpoint], Endpoint]: ...


log = structlog.get_logger("app")
request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestIdMiddleware:
    """Remembers the caller's x-request-id, so that the upstream can be told it too.

    anyio copies the context into its worker threads: a `def` endpoint sees the same value.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request_id.set(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        await self.app(scope, receive, send)


def build_trace_headers() -> dict[str, str]:
    return {"x-request-id": request_id.get()} if request_id.get() else {}


@contextmanager
def log_thread(path: str) -> Iterator[None]:
    me, name = threading.get_native_id(), threading.current_thread().name
    log.info(f"thread {me} started handling {path}", name=name)
    yield
    log.info(f"thread {me} finished handling {path}", name=name)


def add_thread_logging(path: str, endpoint: Endpoint) -> Endpoint:
    """The same endpoint, saying on which thread it runs. To be shown, not to be measured."""

    @functools.wraps(endpoint)
    def blocking() -> Response:
        with log_thread(path):
            return cast(BlockingEndpoint, endpoint)()

    @functools.wraps(endpoint)
    async def awaited() -> Response:
        with log_thread(path):
            return await cast(AwaitedEndpoint, endpoint)()

    return awaited if inspect.iscoroutinefunction(endpoint) else blocking
