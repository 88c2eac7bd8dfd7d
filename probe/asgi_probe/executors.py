"""Records which request each thread of a ThreadPoolExecutor works for, and which calls wait."""

from __future__ import annotations

import functools
import sys
from asyncio import AbstractEventLoop, BaseEventLoop
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from math import isnan, nan
from threading import get_ident
from types import FrameType

from . import thread_calls
from .clocks import monotonic
from .handovers import ENDS_OF_ITERATION, Handover, log
from .metrics_feed import IN_EXECUTOR
from .queues import Queue, Queues
from .request_record import RequestRecord, WorkSpan, current

Call = Callable[..., object]

executors = Queues("executor")
asking_default: set[int] = set()
"""Idents of threads that are submitting to the default executor of a loop that hides it."""

ADJUSTS = getattr(getattr(ThreadPoolExecutor, "_adjust_thread_count", None), "__code__", 0)
"""Code object of the method that starts an executor's threads."""
MOST_WRAPPERS = 10
"""Frames around `Thread.start` of libraries that wrap it too (Sentry)."""


def instrument_executors() -> None:
    """Wrap `ThreadPoolExecutor.submit`, once per process, asyncio's default executor included: it
    records each call's request, and in audits the calls that wait for a thread."""
    original: Callable[..., Future[object]] = ThreadPoolExecutor.submit
    if hasattr(original, "probe_original"):
        return

    @functools.wraps(original)
    def submit(
        self: ThreadPoolExecutor, function: Call, /, *args: object, **options: object
    ) -> Future[object]:
        record, needs_bytes = current.get(), is_of_interpreters(self)
        if record is not None and record.feed is not None:
            record.feed.note_executor(self, is_default=get_ident() in asking_default)
        handover = None if log.journal is None or needs_bytes else log.ask(record, "")
        if needs_bytes or (record is None and handover is None):
            return original(self, function, *args, **options)
        place = None
        if handover is not None:
            handover.call = function, args
            place = ExecutorPlace(handover, find_queue(self, handover.asker))
        call = ExecutorCall(function, record, place)
        return submit_call(original, self, call, *args, **options)

    vars(futures)["ThreadPoolExecutor"].submit = submit
    submit.probe_original = original  # type: ignore[attr-defined]


def is_of_interpreters(executor: ThreadPoolExecutor) -> bool:
    """Return True if each thread has its own interpreter (Python 3.14), which gets bytes only."""
    kind = type(executor)
    return kind is not ThreadPoolExecutor and any(
        each.__module__ == "concurrent.futures.interpreter" for each in kind.__mro__
    )


class ExecutorPlace:
    """An offloaded call in its queue. Its future refers to it, so it refers to no app object."""

    __slots__ = ("handover", "queue")

    def __init__(self, handover: Handover, queue: Queue) -> None:
        """Mark the call as queued if earlier calls occupy every thread."""
        self.handover, self.queue = handover, queue
        handover.queue, handover.capacity = queue.name, queue.capacity
        if len(queue.open) >= queue.capacity:
            handover.queued_s = handover.asked_s
        else:
            handover.granted_s = handover.asked_s
        queue.open[handover] = None

    def give_up(self, _: Future[object] | None) -> None:
        """Close a call that never began (cancelled or refused). Call when its future is done."""
        if isnan(self.handover.began_s):
            self.queue.open.pop(self.handover, None)
            log.give_up(self.handover)

    def begin(self) -> Handover:
        """Call on the thread that runs the call."""
        log.begin(self.handover)
        if isnan(self.handover.granted_s):
            self.handover.granted_s = self.handover.began_s
        return self.handover

    def end(self) -> None:
        self.queue.open.pop(self.handover, None)
        log.end(self.handover)


class ExecutorCall:
    """A call submitted to an executor, timed on the thread that runs it."""

    __slots__ = ("asked_s", "function", "place", "record")

    def __init__(
        self, function: Call, record: RequestRecord | None, place: ExecutorPlace | None
    ) -> None:
        self.asked_s = monotonic()
        self.function = function
        self.record = record
        self.place = place

    def __call__(self, /, *args: object, **options: object) -> object:
        place, span = self.place, None
        if self.record is not None:
            span = WorkSpan(self.record, monotonic())
            if self.record.feed is not None:
                self.record.feed.note_wait(self.record, IN_EXECUTOR, span.began_s - self.asked_s)
        handover = None if place is None else place.begin()
        try:
            return self.function(*args, **options)
        except BaseException as error:
            if handover is not None:
                handover.failed = type(error).__name__ not in ENDS_OF_ITERATION
            raise
        finally:
            if span is not None:
                span.ended_s = monotonic()
                thread_calls.log.write(span.record, "executor", self.asked_s, span.began_s)
            if place is not None:
                place.end()


def submit_call(
    original: Callable[..., Future[object]],
    executor: ThreadPoolExecutor,
    call: ExecutorCall,
    /,
    *args: object,
    **options: object,
) -> Future[object]:
    """Submit a call; note its end if it never begins. A future keeps its callbacks, so they refer
    to no function of the app's, and to no request once they have run."""
    place, record = call.place, call.record
    try:
        future = original(executor, call, *args, **options)
    except BaseException:
        if place is not None:
            place.give_up(None)
        raise
    if place is not None:
        future.add_done_callback(place.give_up)
    if record is not None and record.feed is not None:
        future.add_done_callback(CancelledWait(record, call.asked_s))
    return future


class CancelledWait:
    """Records the wait of a call that is cancelled before it begins."""

    def __init__(self, record: RequestRecord, asked_s: float) -> None:
        self.record: RequestRecord | None = record
        self.asked_s = asked_s

    def __call__(self, future: Future[object]) -> None:
        record, self.record = self.record, None
        if record is not None and record.feed is not None and future.cancelled():
            record.feed.note_wait(record, IN_EXECUTOR, monotonic() - self.asked_s)


def find_adjusting(starter: FrameType) -> FrameType | None:
    """Return the frame of ADJUSTS that starts a thread; None if other code starts it."""
    frame: FrameType | None = starter
    for _ in range(MOST_WRAPPERS):
        if frame is None or frame.f_code is ADJUSTS:
            return frame
        frame = frame.f_back
    return None


def find_queue(executor: ThreadPoolExecutor, asker: str | None) -> Queue:
    capacity = getattr(executor, "_max_workers", nan)
    queue = executors.find(executor)
    if queue is None:
        name = find_only_name(executor)
        prefix = getattr(executor, "_thread_name_prefix", "")
        queue = executors.add(
            executor, asker, capacity, name or f"executor {prefix}", is_only=bool(name)
        )
    return queue


def find_only_name(executor: ThreadPoolExecutor) -> str | None:
    """Name an executor that exists once per process: the loop's default executor, or asgiref's
    single thread for thread-sensitive code."""
    default = getattr(log.loop, "_default_executor", None)
    if executor is default or get_ident() in asking_default:
        return "executor"
    sensitive = getattr(sys.modules.get("asgiref.sync"), "SyncToAsync", None)
    return "asgiref" if executor is getattr(sensitive, "single_thread_executor", None) else None


def instrument_loop(loop: AbstractEventLoop) -> None:
    """Wrap `run_in_executor` of a loop that hides its default executor (uvloop), once per class.
    Does nothing if the class cannot be changed."""
    kind = type(loop)
    original: Call = kind.run_in_executor
    if isinstance(loop, BaseEventLoop) or hasattr(original, "probe_original"):
        return

    @functools.wraps(original)
    def run_in_executor(self: object, executor: object, *args: object, **options: object) -> object:
        ident = get_ident()
        if executor is None:
            asking_default.add(ident)
        try:
            return original(self, executor, *args, **options)
        finally:
            asking_default.discard(ident)

    run_in_executor.probe_original = original  # type: ignore[attr-defined]
    with suppress(TypeError, AttributeError):
        kind.run_in_executor = run_in_executor  # type: ignore[method-assign,assignment]
