"""Which route and view a request of Django's or Quart's takes: they know it, and do not keep it in
the scope. Where each looks it up was read in its source."""

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
"""From the resolver's owner, and what it has found, to what is added to the scope."""


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
    """From now on, for the frameworks that the app has imported. Does nothing the second time."""
    for module, class_name, method, read in RESOLVERS:
        cls = getattr(sys.modules.get(module), class_name, None)
        resolve = getattr(cls, method, None)
        if callable(resolve) and not hasattr(resolve, "probe_original"):
            setattr(cls, method, wrap_resolver(resolve, read))


def wrap_resolver(resolve: Resolve, read: Read) -> Resolve:
    """Whatever it raises is the app's. The app's own scope stays as it is."""

    @functools.wraps(resolve)
    def resolve_and_note(owner: object, *args: object, **options: object) -> object:
        found = resolve(owner, *args, **options)
        record = current.get()
        if record is not None:
            with suppress(Exception):  # a request without a route, or an app's own classes
                record.scope = {**record.scope, **read(owner, found)}
        return found

    resolve_and_note.probe_original = resolve  # type: ignore[attr-defined]
    return resolve_and_note


def read_django(_: object, match: DjangoMatch) -> Scope:
    return describe_match(match.route, match.func)


def read_quart(context: QuartContext, _: object) -> Scope:
    """From 0.23 on the request is in another place."""
    request = getattr(context, "_request_websocket", None) or context.request_websocket
    rule = request.url_rule
    return describe_match(rule.rule, context.app.view_functions[rule.endpoint])


def describe_match(route: str, view: object) -> Scope:
    """view_class: both keep so what a function was made from."""
    endpoint = getattr(view, "view_class", view)
    return {"path_template": write_template(route), "endpoint": endpoint}


@functools.lru_cache(maxsize=1_000)
def write_template(route: str) -> str:
    """With {name} for each parameter, of a route of Werkzeug's, of Django's path(), and of
    re_path() where its groups have names: a regular expression stays what else it is."""
    text = NAMED_GROUP.sub(r"{\1}", route)
    text = CONVERTER.sub(r"{\1}", text.replace("^", ""))
    text = ESCAPED.sub(r"\1", text[:-1] if text.endswith("$") else text)
    return text if text.startswith("/") else f"/{text}"


RESOLVERS: tuple[tuple[str, str, str, Read], ...] = (
    ("django.core.handlers.base", "BaseHandler", "resolve_request", read_django),
    ("quart.ctx", "_BaseRequestWebsocketContext", "match_request", read_quart),
    ("quart.ctx", "AppContext", "match_request", read_quart),
)
