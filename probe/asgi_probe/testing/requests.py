"""Notes which request the code on a loop works for, without a probe around the app."""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from asgi_probe.frameworks import record_routes
from asgi_probe.recorder import Recorder
from asgi_probe.request_record import current
from asgi_probe.routes import App, Receive, Scope, Send

from .timed_thread import find_watch

APPS = (
    ("starlette.applications", "Starlette"),
    ("litestar.app", "Litestar"),
    ("quart.app", "Quart"),
    ("django.core.handlers.asgi", "ASGIHandler"),
)
"""Module and class of the apps; FastAPI's derives from Starlette's."""
CALL_APP = "call_noted"
"""The name of the function in which an app works for a request."""
Call = Callable[[App, Scope, Receive, Send], Awaitable[None]]


recorder = Recorder()
"""One for the process, since the wrappers stay."""


def note_requests() -> None:
    """Wrap the apps of the frameworks that the tests have imported, once per process."""
    record_routes()
    for module, class_name in APPS:
        cls = getattr(sys.modules.get(module), class_name, None)
        call = getattr(cls, "__call__", None)  # noqa: B004
        if cls is not None and call is not None and not hasattr(call, "probe_original"):
            cls.__call__ = wrap_call(call)


def wrap_call(original: Call) -> Call:
    @functools.wraps(original)
    async def call_noted(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or current.get() is not None:  # a mounted app
            await original(app, scope, receive, send)
            return
        record = recorder.record_arrival(scope, find_watch())
        token = current.set(record)
        try:
            await original(app, scope, receive, send)
        finally:
            with suppress(ValueError):  # closed in another context
                current.reset(token)
            recorder.record_departure(record)

    call_noted.probe_original = original  # type: ignore[attr-defined]
    return call_noted
