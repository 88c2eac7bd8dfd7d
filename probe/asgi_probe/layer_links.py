"""Puts links between the middleware layers of a Starlette or FastAPI app.

A link is a pass-through app, in front of each of the app's own middlewares and of the router. An
app without middleware gets none. Follows the sources of Starlette (applications.py:
build_middleware_stack) and of FastAPI, which overrides it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Protocol

from .layers import enter, recorders
from .recorder import Recorder
from .routes import App, Receive, Scope, Send, describe_endpoint, find_function

BASE = "BaseHTTPMiddleware"
BASE_CLASS = "starlette.middleware.base", BASE
MOST_RECORDERS = 100
"""Probes of a process whose layers are recorded, the latest ones."""
MOST_WRAPPERS = 20
"""Functions that are searched for the one of the class, wrappers included."""
BUILDERS = ("starlette.applications", "Starlette"), ("fastapi.applications", "FastAPI")


class Builder(Protocol):
    user_middleware: list[object]


def record_layers(recorder: Recorder) -> None:
    """Record the layers of apps that build their middleware from now on (on their first call)."""
    if recorder not in recorders:
        recorders[:] = [*recorders[1 - MOST_RECORDERS :], recorder]
    for module_name, class_name in BUILDERS:
        cls = getattr(sys.modules.get(module_name), class_name, None)
        build = vars(cls).get("build_middleware_stack") if cls is not None else None
        if callable(build) and not hasattr(build, "probe_original"):
            cls.build_middleware_stack = wrap_builder(build)  # type: ignore[union-attr]


def wrap_builder(build: Callable[[Builder], App]) -> Callable[[Builder], App]:
    @functools.wraps(build)
    def build_with_links(app: Builder) -> App:
        """Build the stack with links, and restore the app's list of middleware."""
        layers = app.user_middleware
        linked = insert_links(layers)
        if linked is None:
            return build(app)
        try:
            app.user_middleware = linked
        except Exception:  # the app's class does not allow it
            return build(app)
        try:
            return build(app)
        finally:
            app.user_middleware = layers

    build_with_links.probe_original = build  # type: ignore[attr-defined]
    return build_with_links


def insert_links(layers: object) -> list[object] | None:
    """Return the list with links; None if it is empty or already has links (the app's class has
    called its base's builder)."""
    module = sys.modules.get("starlette.middleware")
    make = getattr(module, "Middleware", None)
    if make is None or not isinstance(layers, list) or not layers:
        return None
    if any(getattr(each, "cls", None) is EndpointLink for each in layers):
        return None
    linked = [each for layer in layers for each in (make(Link), layer)]
    return [*linked, make(EndpointLink)]


class Link:
    """Pass-through app that times what enters and leaves the layer behind it."""

    is_layer = True

    def __init__(self, app: App) -> None:
        self.app = app
        self.name, self.kind = describe_layer(app)

    def __getattr__(self, name: str) -> object:
        """Forward to the next app: a layer may read attributes of the app that it wraps."""
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
    """Return a layer's code as "file:first_line qualname", and its kind. For BaseHTTPMiddleware the
    code is its dispatch function."""
    cls = type(app)
    try:
        is_base = BASE_CLASS in [(each.__module__, each.__name__) for each in cls.__mro__]
        code = getattr(app, "dispatch_func", app) if is_base else app
        code = find_own_function(find_function(code, ""), cls)
        return describe_endpoint(code, "").endpoint or cls.__name__, BASE if is_base else "ASGI"
    except Exception:  # any attribute of the app's objects may raise; the app must not be affected
        return cls.__name__, "ASGI"


def find_own_function(called: object, cls: type) -> object:
    """Return the function of a class instead of the wrapper that another module (Sentry) has put in
    its place."""
    modules = {each.__module__ for each in cls.__mro__}
    own = (each for each in iterate_wrapped(called) if each.__module__ in modules)
    return next(own, called)


def iterate_wrapped(called: object) -> Iterator[FunctionType]:
    """Yield a function and those that it wraps, the outermost first: a wrapper without
    `__wrapped__` has them in its closure."""
    pending = [called]
    for _ in range(MOST_WRAPPERS):
        each = pending.pop(0) if pending else None
        if type(each) is MethodType:  # no `isinstance`: a closure may hold a proxy that raises
            each = each.__func__
        if type(each) is not FunctionType:
            continue
        if "__wrapped__" in vars(each):
            pending.insert(0, vars(each)["__wrapped__"])
            continue
        yield each
        for cell in each.__closure__ or ():
            with suppress(ValueError):  # an empty cell
                pending.append(cell.cell_contents)


class EndpointLink(Link):
    """Link in front of the innermost part: the router and the endpoint."""

    is_layer = False
