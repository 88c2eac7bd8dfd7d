"""What each layer of middleware of a Starlette or FastAPI app does to a request: when it passes the
request on inwards and the answer outwards, and the CPU that it takes itself.

A link, a pass-through app, goes in front of each layer of the user's, and one in front of what is
inside of all. An app without middleware of its own gets none. Read in the sources of Starlette
(applications.py: build_middleware_stack), from 0.13 to 1.10, and of FastAPI, which overrides it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from math import nan
from time import monotonic, thread_time
from typing import Protocol

from .journal import Columns, make_packer
from .recorder import Recorder
from .request_record import RequestRecord, current
from .routes import App, Message, Receive, Scope, Send, describe_endpoint

LAYERS: Columns = (
    ("visit", "u4"),
    ("layer", "text"),
    ("kind", "text"),
    ("depth", "u2"),
    ("entered_s", "f8"),
    ("inner_s", "f8"),
    ("answered_s", "f8"),
    ("passed_s", "f8"),
    ("sent_s", "f8"),
    ("returned_s", "f8"),
    ("client_s", "f8"),
    ("cpu_s", "f8"),
)
"""Times are time.monotonic() in seconds, NaN where not known."""
pack = make_packer(LAYERS)
BASE = "BaseHTTPMiddleware"
BASE_CLASS = "starlette.middleware.base", BASE
BUILDERS = ("starlette.applications", "Starlette"), ("fastapi.applications", "FastAPI")
START, BODY = "http.response.start", "http.response.body"
recorders: list[Recorder] = []
"""The one that notes this process's layers."""


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
        app.user_middleware = linked
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


class Passage:
    """A request's way through a link, inwards and back. client_s: the layer behind the link waited
    so long for the request's body before it called the next one."""

    pass_receive: Receive
    pass_send: Send
    passed_s = sent_s = returned_s = nan
    client_s = cpu_s = 0.0

    def __init__(self, link: Link, trace: LayerTrace) -> None:
        self.link = link
        self.trace = trace
        self.depth = len(trace.passages)
        self.entered_s = monotonic()

    def receive(self) -> Awaitable[Message]:
        is_innermost = len(self.trace.passages) == self.depth + 1
        return self.receive_timed() if is_innermost else self.pass_receive()

    async def receive_timed(self) -> Message:
        began_s = monotonic()
        try:
            return await self.pass_receive()
        finally:
            self.client_s += monotonic() - began_s

    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == START:
            self.passed_s = monotonic()
        elif kind == BODY and not message.get("more_body"):
            self.sent_s = monotonic()
        return self.send_counted(message) if self.trace.counts_cpu else self.pass_send(message)

    async def send_counted(self, message: Message) -> None:
        self.trace.give_cpu(self.depth - 1)
        try:
            await self.pass_send(message)
        finally:
            self.trace.give_cpu(self.depth)


class LayerTrace:
    """The passages of one request, the outermost first. CPU is counted where no other request is
    there meanwhile: whatever the loop's thread does then, it does for this one."""

    def __init__(self, record: RequestRecord, recorder: Recorder) -> None:
        self.record = record
        self.recorder = recorder
        self.passages: list[Passage] = []
        self.is_regular = True
        self.departed = recorder.departed
        self.owner = -1
        self.counts_cpu = self.is_alone()
        self.counted_s = thread_time() if self.counts_cpu else nan

    def is_alone(self) -> bool:
        recorder = self.recorder
        return len(recorder.in_flight) == 1 and recorder.departed is self.departed

    def give_cpu(self, owner: int) -> None:
        """What was used until now is the present owner's; from now on it is this passage's."""
        if self.counts_cpu:
            now_s = thread_time()
            if self.owner >= 0:
                self.passages[self.owner].cpu_s += now_s - self.counted_s
            self.counted_s, self.owner = now_s, owner

    def leave(self, passage: Passage) -> None:
        self.give_cpu(passage.depth - 1)
        passage.returned_s = monotonic()
        if not passage.depth:
            if self.is_regular:
                self.write()
            self.counts_cpu, self.record.layers = False, None
            self.passages = []  # what refers to itself is left to the garbage collector

    def write(self) -> None:
        journal = self.recorder.journal
        if journal is None or self.recorder.off:
            return
        try:
            is_counted = self.counts_cpu and self.is_alone()
            inner: Passage | None = None
            for each in reversed(self.passages):
                name, kind = describe_passage(each.link, inner)
                row = pack(
                    self.record.number,
                    journal.intern_text(name),
                    journal.intern_text(kind),
                    each.depth + 1,
                    each.entered_s,
                    inner.entered_s if inner else nan,
                    inner.passed_s if inner else nan,
                    each.passed_s,
                    each.sent_s,
                    each.returned_s,
                    each.client_s,
                    each.cpu_s if is_counted else nan,
                )
                journal.add("l", row)
                inner = each
        except Exception as error:  # whatever it is, the app must not notice
            self.recorder.switch_off(error)


def describe_passage(link: Link, inner: Passage | None) -> tuple[str, str]:
    if link.is_layer:
        return link.name, link.kind
    return ("endpoint", "endpoint") if inner is None else ("mount", "mount")


def enter(link: Link, scope: Scope) -> Passage | None:
    """None where nothing is to be noted: no request of the recorder's, or a layer that calls the
    next one twice."""
    record = current.get()
    if record is None or scope["type"] != "http" or not recorders:
        return None
    trace = record.layers
    if trace is None:
        if record not in recorders[0].in_flight:
            return None
        trace = record.layers = LayerTrace(record, recorders[0])
    if any(each.link is link for each in trace.passages):
        trace.is_regular = False
        return None
    passage = Passage(link, trace)
    trace.passages.append(passage)
    trace.give_cpu(passage.depth)
    return passage
