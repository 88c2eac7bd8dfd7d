"""The record of one request in a process, and its columns in the journal."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from math import inf, nan
from threading import Thread, current_thread, get_ident, get_native_id
from typing import TYPE_CHECKING

from .clocks import monotonic
from .journal import Columns
from .routes import Scope

if TYPE_CHECKING:
    from .blocks import LoopWatch
    from .layers import LayerTrace
    from .metrics_feed import MetricsFeed

AUDIT_ID_HEADER = b"x-study-request-id"
"""An audit's own header: its user may set x-request-id, which other loads of the study use."""
HANDLERS: Columns = (
    ("visit", "u4"),
    ("request_id", "u8"),
    ("route", "text"),
    ("arrived_s", "f8"),
    ("queued_s", "f8"),
    ("started_s", "f8"),
    ("ended_s", "f8"),
    ("sent_s", "f8"),
    ("pool_wait_s", "f8"),
    ("thread_id", "u4"),
    ("thread_kind", "text"),
    ("status", "u2"),
    ("endpoint", "text"),
    ("method", "text"),
    ("returned_s", "f8"),
    ("protocol", "text"),
)
"""Times are time.monotonic() in seconds, NaN if not known yet; 0 means no id or no status."""


class RequestRecord:
    """Record of one request, filled in during the request. Most defaults stay on the class: setting
    twelve attributes per request had a measurable cost."""

    known = 0  # number of known times in the last snapshot
    queued_s = nan
    started_s = nan
    ended_s = nan
    sent_s = nan
    returned_s = nan
    pool_wait_s = 0.0  # sum of the ended waits
    waits: dict[object, float] | None = None  # start of each unfinished wait
    written_wait_s = 0.0  # wait in the last snapshot
    thread_id = 0
    thread_kind: str | None = None
    status = 0
    layers: LayerTrace | None = None
    feed: MetricsFeed | None = None
    thread_calls = 0  # number of recorded calls (module `thread_calls`)

    def __init__(self, number: int, scope: Scope, watch: LoopWatch, arrived_s: float) -> None:
        self.number = number
        self.scope = scope
        self.watch = watch
        self.arrived_s = arrived_s

    def begin_wait(self, key: object, asked_s: float) -> None:
        """Begin a call's wait for a thread of anyio's pool; several calls may wait at once."""
        if self.waits is None:
            self.waits = {}
        self.waits[key] = asked_s

    def end_wait(self, key: object, now_s: float) -> None:
        """End a wait; does nothing if it has already ended."""
        asked_s = self.waits.pop(key, None) if self.waits else None
        if asked_s is not None:
            is_sent = self.sent_s < now_s
            self.pool_wait_s += self.measure_wait(asked_s, now_s) if is_sent else now_s - asked_s

    def measure_wait(self, asked_s: float, now_s: float) -> float:
        """Return a wait's seconds, up to the end of the response: later waits do not delay it."""
        return max(0.0, (self.sent_s if self.sent_s < now_s else now_s) - asked_s)

    def measure_pool_wait(self) -> float:
        """Return the sum of all waits so far in seconds, unfinished ones included."""
        if not self.waits:
            return self.pool_wait_s
        now_s, asked = monotonic(), list(self.waits.values())
        return self.pool_wait_s + sum(self.measure_wait(each, now_s) for each in asked)


class WorkSpan:
    """A call that a pool thread runs for a request, linked to the thread's previous two calls."""

    __slots__ = ("before", "began_s", "ended_s", "record")

    def __init__(self, record: RequestRecord, began_s: float) -> None:
        """Call on the thread that runs it."""
        self.record = record
        self.began_s = began_s
        self.ended_s = inf
        ident = get_ident()
        self.before = work_spans.get(ident)
        if self.before is not None and self.before.before is not None:
            self.before.before.before = None
        work_spans[ident] = self


work_spans: dict[int, WorkSpan] = {}
"""The latest call of each thread, by its ident."""

current: ContextVar[RequestRecord | None] = ContextVar("probe_record", default=None)


def is_endpoint_call(function: Callable[..., object], endpoint: object) -> bool:
    """Return True if an offloaded call is the endpoint itself, not one of its dependencies.

    Starlette wraps it as `partial(endpoint, request)`, FastAPI as
    `partial(_run_sync_endpoint, function=endpoint, ...)`.
    """
    if endpoint is None:
        return False
    while isinstance(function, partial):
        if function.func is endpoint or function.keywords.get("function") is endpoint:
            return True  # no `==`: an argument of the app's may be an array
        function = function.func
    return function is endpoint


def classify_thread(thread: Thread) -> str:
    """Classify a thread by the name that anyio or asyncio's executor gives it."""
    try:
        name = str(thread.name)
    except Exception:  # a subclass of the app's may do anything
        return "other"
    if name.startswith("AnyIO worker thread"):
        return "anyio-worker"
    if name.startswith(("asyncio_", "ThreadPoolExecutor")):
        return "executor"
    return "other"


def record_thread_start(record: RequestRecord, started_s: float) -> None:
    """Record that the endpoint function has begun. Call on the pool thread that runs it."""
    record.started_s = started_s
    record.thread_id = get_native_id()
    record.thread_kind = classify_thread(current_thread())


def parse_request_id(scope: Scope) -> int:
    """Return the load generator's id, 16 hexadecimal digits; 0 for any other id or none."""
    try:
        headers = dict(scope["headers"])  # type: ignore[call-overload]
        value = headers.get(AUDIT_ID_HEADER) or headers.get(b"x-request-id", b"")
        return max(int(value, 16), 0) if len(value) == 16 else 0
    except (KeyError, TypeError, ValueError):  # headers or an id in another format
        return 0
