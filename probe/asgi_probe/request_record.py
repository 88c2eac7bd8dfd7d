"""One request's passage through a process, what the journal keeps of it, and the wrapper that sees
which thread of anyio's pool runs an endpoint, and how long requests wait for tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from math import inf, nan
from threading import current_thread, get_ident, get_native_id
from time import monotonic
from typing import TYPE_CHECKING, cast

from .journal import Columns
from .routes import Scope

if TYPE_CHECKING:
    from .layers import LayerTrace

RunSync = Callable[..., Awaitable[object]]

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
"""Times are time.monotonic() in seconds, NaN where not (yet) known; 0 means no id, no status."""


class RequestRecord:
    """Filled in as the request goes on. What most requests never learn stays on the class:
    setting twelve attributes for each request was measurable."""

    known = 0  # how much of it the last snapshot held
    queued_s = nan
    started_s = nan
    ended_s = nan
    sent_s = nan
    returned_s = nan
    pool_wait_s = 0.0
    thread_id = 0
    thread_kind: str | None = None
    status = 0
    layers: LayerTrace | None = None

    def __init__(self, number: int, scope: Scope, arrived_s: float) -> None:
        self.number = number
        self.scope = scope
        self.arrived_s = arrived_s


class WorkSpan:
    """A call that a thread of a pool runs for a request, and the two that it ran before."""

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
"""The newest of each thread, by its ident."""

current: ContextVar[RequestRecord | None] = ContextVar("probe_record", default=None)


def is_endpoint_call(function: Callable[..., object], endpoint: object) -> bool:
    """Whether a call handed to the pool is the endpoint itself, not one of its dependencies.

    Starlette wraps it as `partial(endpoint, request)`, FastAPI as
    `partial(_run_sync_endpoint, function=endpoint, ...)`.
    """
    if endpoint is None:
        return False
    while isinstance(function, partial):
        if endpoint in (function.func, function.keywords.get("function")):
            return True
        function = function.func
    return function is endpoint


def classify_thread(thread_name: str) -> str:
    """Goes by the names that anyio and asyncio's executor give their threads."""
    if thread_name.startswith("AnyIO worker thread"):
        return "anyio-worker"
    if thread_name.startswith(("asyncio_", "ThreadPoolExecutor")):
        return "executor"
    return "other"


def record_thread_start(record: RequestRecord, started_s: float) -> None:
    """Notes that the endpoint function has begun, on the pool's thread that calls this."""
    record.started_s = started_s
    record.thread_id = get_native_id()
    record.thread_kind = classify_thread(current_thread().name)


def parse_request_id(scope: Scope) -> int:
    """Our generator's ids are 16 hexadecimal digits; any other id is 0, not known."""
    headers = scope.get("headers")
    if isinstance(headers, (list, tuple)):
        for name, value in headers:
            if name == b"x-request-id" and len(value) == 16:
                try:
                    return int(value, 16)
                except ValueError:
                    return 0
    return 0


def instrument_executors() -> None:
    """Notes for which request a thread of any ThreadPoolExecutor works, asyncio's default one
    among them. Does nothing the second time."""
    original = ThreadPoolExecutor.submit
    if hasattr(original, "probe_original"):
        return

    def submit(
        self: ThreadPoolExecutor,
        function: Callable[..., object],
        /,
        *args: object,
        **options: object,
    ) -> Future[object]:
        record = current.get()
        if record is None:
            return original(self, function, *args, **options)

        def call_noted() -> object:
            span = WorkSpan(record, monotonic())
            try:
                return function(*args, **options)
            finally:
                span.ended_s = monotonic()

        return original(self, call_noted)

    vars(futures)["ThreadPoolExecutor"].submit = submit
    submit.probe_original = original  # type: ignore[attr-defined]


def instrument_pool() -> None:
    """Wraps `anyio.to_thread.run_sync`, which Starlette and FastAPI call by its module. Does
    nothing where anyio is not installed, or the second time."""
    try:
        import anyio.to_thread as to_thread
    except ImportError:
        return
    if not hasattr(to_thread.run_sync, "probe_original"):
        vars(to_thread)["run_sync"] = wrap_run_sync(cast(RunSync, to_thread.run_sync))


def wrap_run_sync(original: RunSync) -> RunSync:
    async def run_sync(function: Callable[..., object], *args: object, **options: object) -> object:
        record = current.get()
        if record is None:
            return await original(function, *args, **options)
        asked_s = monotonic()
        is_endpoint = is_endpoint_call(function, record.scope.get("endpoint"))
        if is_endpoint:
            record.queued_s = asked_s

        def call_timed(*given: object) -> object:
            started_s = monotonic()
            record.pool_wait_s += started_s - asked_s
            span = WorkSpan(record, started_s)
            if is_endpoint:
                record_thread_start(record, started_s)
            try:
                return function(*given)
            finally:
                span.ended_s = monotonic()
                if is_endpoint:
                    record.ended_s = span.ended_s

        return await original(call_timed, *args, **options)

    run_sync.probe_original = original  # type: ignore[attr-defined]
    return run_sync
