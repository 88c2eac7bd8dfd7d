"""Puts links between the layers of middleware of a Starlette or FastAPI app.

A link, a pass-through app, goes in front of each layer of the user's, and one in front of what is
inside of all. An app without middleware of its own gets none. Read in the sources of Starlette
(applications.py: build_middleware_stack) and of FastAPI, which overrides it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Protocol

from .layers import enter, recorders
from .recorder import Recorder
from .routes import App, Receive, Scope, Send, describe_endpoint

BASE = "BaseHTTPMiddleware"
BASE_CLASS = "starlette.middleware.base", BASE
BUILDERS = ("starlette.applications", "Starlette"), ("fastapi.applications", "FastAPI")


class Builder(Protocol):
    user_middleware: list[object]


def record_layers(recorder: Recorder) -> None:
    """From now on, for apps whose middleware is not built yet: they build it when they are first
    called."""
    recorders[:] = [recorder]
    for module_name, class_name in BUILDERS:
        cls = getattr(sys.modules.get(module_name), class_name, None)
        build = vars(cls).get("build_middleware_stack") if cls is not None else None
        if callable(build) and not hasattr(build, "probe_original"):
            cls.build_middleware_stack = wrap_builder(build)  # type: ignore[union-attr]


def wrap_builder(build: Callable[[Builder], App]) -> Callable[[Builder], App]:
    @functools.wraps(build)
    def build_with_links(app: Builder) -> App:
        """The user's list is as it was, when the stack is built."""
        layers = app.user_middleware
        linked = insert_links(layers)
        if linked is None:
            return build(app)
        try:
            app.user_middleware = linked
        except Exception:  # the app's own class will not have it
            return build(app)
        try:
            return build(app)
        finally:
            app.user_middleware = layers

    build_with_links.probe_original = build  # type: ignore[attr-defined]
    return build_with_links


def insert_links(layers: object) -> list[object] | None:
    """None where there is nothing to link, or the app's class has called its base's builder."""
    module = sys.modules.get("starlette.middleware")
    make = getattr(module, "Middleware", None)
    if make is None or not isinstance(layers, list) or not layers:
        return None
    if any(getattr(each, "cls", None) is EndpointLink for each in layers):
        return None
    linked = [each for layer in layers for each in (make(Link), layer)]
    return [*linked, make(EndpointLink)]


class Link:
    """Passes all through to the layer behind it, and notes when."""

    is_layer = True

    def __init__(self, app: App) -> None:
        self.app = app
        self.name, self.kind = describe_layer(app)

    def __getattr__(self, name: str) -> object:
        """A layer may ask the one behind it."""
        return getattr(self.__dict__.get("app"), name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        passage = enter(self, scope)
        if passage is None:
            await self.app(scope, receive, send)
            return
        passage.pass_receive, passage.pass_send = receive, send
        try:
            await self.app(scope, passage.receive if self.is_layer else receive, passage.send)
        finally:
            passage.trace.leave(passage)


def describe_layer(app: App) -> tuple[str, str]:
    """Its code, "file:first_line qualname", and its kind. The code of BaseHTTPMiddleware is the
    dispatch function."""
    cls = type(app)
    try:
        is_base = BASE_CLASS in [(each.__module__, each.__name__) for each in cls.__mro__]
        code = getattr(app, "dispatch_func", app) if is_base else app
        return describe_endpoint(code, "").endpoint or cls.__name__, BASE if is_base else "ASGI"
    except Exception:  # an object may answer anything with an error; the app must not notice
        return cls.__name__, "ASGI"


class EndpointLink(Link):
    """In front of what is inside of all layers: the router, and the endpoint."""

    is_layer = False
