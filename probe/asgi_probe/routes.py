"""Finds the route of a request, and the function that handles it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import partial
from inspect import iscoroutinefunction, unwrap
from re import Pattern
from types import CodeType
from typing import NamedTuple

from .journal import CLIENT, ProbeJournal

Scope = MutableMapping[str, object]
Message = Scope
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
BODIES = frozenset(f"http.response.{part}" for part in ("body", "pathsend", "zerocopysend"))
"""Messages with a part of a response's body, or all of it: a server may offer to send a file."""

ROUTE_KEYS = (
    "path", "root_path", "app_root_path", "path_params", "path_template", "route", "router",
    "endpoint", "fastapi",
)  # fmt: skip

OTHER_PARTS = "/{path}"
"""What a path has below a mount, and in place of what may be a client's values."""


class EndpointFacts(NamedTuple):
    """endpoint: "file:first_line qualname" of its code; None if it is not Python code. awaited: it
    is a coroutine function, so it runs on the loop."""

    endpoint: str | None
    awaited: bool


def find_route(scope: Scope) -> str:
    """Return the route's pattern with its mounts if the framework keeps it, otherwise the path."""
    pattern = find_whole_pattern(scope)
    return str(scope.get("path", "")) if pattern is None else pattern


def intern_route(scope: Scope, journal: ProbeJournal) -> int:
    """Return the index of `find_route`. A path is a client's text, a pattern the app's."""
    pattern = find_whole_pattern(scope)
    if pattern is None:
        return journal.intern_text(str(scope.get("path", "")), CLIENT)
    return journal.intern_text(pattern)


def find_whole_pattern(scope: Scope) -> str | None:
    """Return the pattern of a request's route with its mounts; None if it is not known."""
    pattern = find_pattern(scope)
    if pattern is None:
        return None
    mounts = str(scope.get("root_path", ""))
    own = scope.get("app_root_path")  # root_path before the first mount; unset without a mount
    if not isinstance(own, str) or len(mounts) <= len(own):
        return pattern
    found, rest = find_mounts(scope.get("router"), f"{mounts[len(own) :]}/")
    whole = found + rest[:-1] + pattern
    is_apps = rest == "/" or has_names(whole, scope.get("path_params"))
    return whole if is_apps else f"{found}{OTHER_PARTS}{pattern}"


def keep_route(scope: Scope) -> Scope:
    """Keep only what `find_route` reads, so that the request's other objects can be freed."""
    return {key: scope[key] for key in ROUTE_KEYS if key in scope}


def find_pattern(scope: Scope) -> str | None:
    """Return the pattern of a request's route, without its mounts. Starlette and FastAPI keep the
    route, Litestar the template; `frameworks` adds it for Django and Quart. A FastAPI that does not
    copy its routers keeps the whole path in its route context."""
    fastapi = scope.get("fastapi")
    if isinstance(fastapi, dict):
        context = fastapi.get("effective_route_context")
        whole = getattr(context, "path_format", None)
        if isinstance(whole, str) and getattr(context, "original_route", 0) is scope.get("route"):
            return whole
    own, template = getattr(scope.get("route"), "path", None), scope.get("path_template")
    if isinstance(own, str) and not is_mount(scope.get("route")):
        return own
    if isinstance(template, str):
        return template
    if isinstance(own, str):  # a mount, and the app inside it keeps no route
        return OTHER_PARTS
    path, mounts = str(scope.get("path", "")), str(scope.get("root_path", ""))
    own_path = path[len(mounts) :] if f"{path}/".startswith(f"{mounts}/") else path
    patterns = set(iterate_patterns(scope.get("router"), scope.get("endpoint"), own_path))
    return patterns.pop() if len(patterns) == 1 else None


def is_mount(route: object) -> bool:
    """Return True for a mount, whose path is part of `root_path` too."""
    return hasattr(route, "routes")


def find_endpoint(scope: Scope) -> object:
    """Return a request's endpoint. Litestar keeps it in `route_handler`; for a mounted Litestar app
    `endpoint` is the whole app."""
    handler, route = scope.get("route_handler"), scope.get("route")
    if handler is None or not (route is None or is_mount(route)):
        return scope.get("endpoint")
    function = getattr(handler, "fn", None)
    return getattr(function, "func", function)  # unwraps what Litestar runs in a thread


def iterate_patterns(router: object, endpoint: object, path: str) -> Iterator[str]:
    """Yield the patterns of the routes, mounted ones included, that lead to an endpoint: an older
    Starlette does not keep the route of a request. path: the part below the mounts."""
    routes = getattr(router, "routes", None)
    for route in routes if endpoint is not None and isinstance(routes, list) else ():
        pattern, regex = getattr(route, "path", None), getattr(route, "path_regex", None)
        leads_there = isinstance(regex, Pattern) and regex.match(path)
        if leads_there and getattr(route, "endpoint", None) is endpoint:
            yield str(pattern)
        yield from iterate_patterns(route, endpoint, path)


def find_mounts(router: object, path: str) -> tuple[str, str]:
    """Return the patterns of the mounts that a path leads through, and the rest of the path, which
    the app does not show (it has "/" at its end)."""
    routes = getattr(router, "routes", None)
    for route in routes if isinstance(routes, list) and path != "/" else ():
        if not is_mount(route):
            continue
        own, inner, regex = "", path, getattr(route, "path_regex", None)
        if isinstance(regex, Pattern) and "path" in regex.groupindex:
            match = regex.match(path)
            if match is None:
                continue
            own = str(route.path_format)[: -len(OTHER_PARTS)]
            inner = f"/{match['path']}"
        found, rest = find_mounts(route, inner)
        if own or found:
            return own + found, rest
    return "", path


def has_names(pattern: str, parameters: object) -> bool:
    """Return True if a pattern has the names of its parameters. One without may have a value."""
    return not isinstance(parameters, dict) or all(
        f"{{{name}}}" in pattern or f"{{{name}:" in pattern for name in list(parameters)
    )


def describe_endpoint(endpoint: object, method: str) -> EndpointFacts:
    function = find_function(endpoint, method)
    own = unwrap(function) if callable(function) else None
    code = getattr(own, "__code__", None)
    text = None
    if isinstance(code, CodeType):
        name = getattr(own, "__qualname__", code.co_name)
        text = f"{code.co_filename}:{code.co_firstlineno} {name}"
    return EndpointFacts(text, iscoroutinefunction(function))


def find_function(endpoint: object, method: str) -> object:
    """Return the function behind an endpoint: the method's handler of an endpoint class
    (Starlette's HTTPEndpoint), or an object's `__call__`."""
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    if isinstance(endpoint, type):
        return getattr(endpoint, method.lower(), None)
    if hasattr(endpoint, "__code__") or not hasattr(type(endpoint), "__call__"):  # noqa: B004
        return endpoint
    return getattr(endpoint, "__func__", None) or type(endpoint).__call__
