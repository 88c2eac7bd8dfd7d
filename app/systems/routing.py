"""Adds the routes of the lesson's endpoints and, on request, logs the thread that runs each."""

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog
from fastapi import Depends, FastAPI
from starlette.responses import Response

Endpoint = Callable[[], Response] | Callable[[], Awaitable[Response]]
Dependency = Callable[[], str] | Callable[[], Awaitable[str]]
log = structlog.get_logger("app")


class RouteAdder(Protocol):
    """A decorator factory for routes. FastAPI calls the dependencies `needs` for each request."""

    def __call__(self, path: str, *needs: Dependency) -> Callable[[Endpoint], Endpoint]: ...


def make_route_adder(app: FastAPI, thread_lines: bool) -> RouteAdder:
    """Add each GET route with and without a trailing slash, so that no request is redirected."""

    def add(path: str, *needs: Dependency) -> Callable[[Endpoint], Endpoint]:
        def add_endpoint(endpoint: Endpoint) -> Endpoint:
            handler = add_thread_logging(path, endpoint) if thread_lines else endpoint
            depends = [Depends(each) for each in needs]
            for spelling in (path, path + "/"):
                app.get(spelling, response_model=None, dependencies=depends)(handler)
            return endpoint

        return add_endpoint

    return add


def add_thread_logging(path: str, endpoint: Endpoint) -> Endpoint:
    """Wrap an endpoint to log the thread it runs on. For demonstrations, not for measurements."""
    if not inspect.iscoroutinefunction(endpoint):
        return log_thread(path)(endpoint)

    @functools.wraps(endpoint)
    async def awaited() -> Response:
        with log_thread(path):
            response: Response = await endpoint()
            return response

    return awaited


@contextmanager
def log_thread(path: str) -> Iterator[None]:
    thread, name = threading.get_native_id(), threading.current_thread().name
    log.info(f"thread {thread} started handling {path}", name=name)
    yield
    log.info(f"thread {thread} finished handling {path}", name=name)
