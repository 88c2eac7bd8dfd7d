"""Records the route and view of a Django or Quart request: neither framework keeps them in the
scope. The wrapped methods follow the source of each framework."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from .request_record import current
from .routes import Scope

NAMED_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)")
CONVERTER = re.compile(r"<(?:[^<>]*:)?(\w+)>")
ESCAPED = re.compile(r"\\([^\w\s])")
Resolve = Callable[..., object]
Read = Callable[..., Scope]
"""Maps the resolver's owner and its result to the keys that are added to the scope."""


class DjangoMatch(Protocol):
    route: str
    func: object


class QuartRule(Protocol):
    rule: str
    endpoint: str


class QuartRequest(Protocol):
    url_rule: QuartRule


class QuartApp(Protocol):
    view_functions: Mapping[str, object]


class QuartContext(Protocol):
    app: QuartApp
    request_websocket: QuartRequest


def record_routes() -> None:
    """Wrap the resolvers of the frameworks that the app has imported, once per process."""
    for module, class_name, method, read in RESOLVERS:
        cls = getattr(sys.modules.get(module), class_name, None)
        resolve = getattr(cls, method, None)
        if callable(resolve) and not hasattr(resolve, "probe_original"):
            setattr(cls, method, wrap_resolver(resolve, read))


def wrap_resolver(resolve: Resolve, read: Read) -> Resolve:
    """Wrap a resolver. Its errors pass through, and the app's scope is not changed."""

    @functools.wraps(resolve)
    def resolve_and_note(owner: object, *args: object, **options: object) -> object:
        found = resolve(owner, *args, **options)
        record = current.get()
        if record is not None:
            with suppress(Exception):  # a request without a route, or unexpected classes
                record.scope = {**record.scope, **read(owner, found)}
        return found

    resolve_and_note.probe_original = resolve  # type: ignore[attr-defined]
    return resolve_and_note


def read_django(_: object, match: DjangoMatch) -> Scope:
    return describe_match(match.route, match.func)


def read_quart(context: QuartContext, _: object) -> Scope:
    """Quart 0.23 keeps the request in another attribute."""
    request = getattr(context, "_request_websocket", None) or context.request_websocket
    rule = request.url_rule
    return describe_match(rule.rule, context.app.view_functions[rule.endpoint])


def describe_match(route: str, view: object) -> Scope:
    """Django and Quart keep the class behind a view function in its `view_class`."""
    endpoint = getattr(view, "view_class", view)
    return {"path_template": write_template(route), "endpoint": endpoint}


@functools.lru_cache(maxsize=1_000)
def write_template(route: str) -> str:
    """Write {name} for each parameter of a Werkzeug route, of Django's path(), and of re_path()
    with named groups; other parts of a regular expression stay unchanged."""
    text = NAMED_GROUP.sub(r"{\1}", route)
    text = CONVERTER.sub(r"{\1}", text.replace("^", ""))
    text = ESCAPED.sub(r"\1", text[:-1] if text.endswith("$") else text)
    return text if text.startswith("/") else f"/{text}"


RESOLVERS: tuple[tuple[str, str, str, Read], ...] = (
    ("django.core.handlers.base", "BaseHandler", "resolve_request", read_django),
    ("quart.ctx", "_BaseRequestWebsocketContext", "match_request", read_quart),
    ("quart.ctx", "AppContext", "match_request", read_quart),
)
