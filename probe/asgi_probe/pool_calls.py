"""Wrapper of `anyio.to_thread.run_sync`: records which calls wait for anyio's thread pool, and
which thread runs an endpoint."""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from math import isnan
from typing import cast

from . import thread_calls
from .clocks import monotonic
from .handovers import ENDS_OF_ITERATION, Handover, log
from .limiters import asking, expect_token
from .metrics_feed import WaitLabels
from .request_record import (
    RequestRecord,
    WorkSpan,
    current,
    is_endpoint_call,
    record_thread_start,
)
from .stages import find_stage

RunSync = Callable[..., Awaitable[object]]


def instrument_pool() -> None:
    """Wrap `anyio.to_thread.run_sync`, once per process, if anyio is installed. Starlette and
    FastAPI look it up in its module for each call."""
    try:
        import anyio.to_thread as to_thread
    except ImportError:
        return
    if not hasattr(to_thread.run_sync, "probe_original"):
        vars(to_thread)["run_sync"] = wrap_run_sync(cast(RunSync, to_thread.run_sync))


class PoolCall:
    """A call offloaded to anyio's pool, timed on the thread that runs it."""

    __slots__ = ("asked_s", "function", "handover", "is_endpoint", "record", "wait_labels")

    def __init__(
        self,
        function: Callable[..., object],
        record: RequestRecord | None,
        handover: Handover | None,
        wait_labels: WaitLabels | None,
    ) -> None:
        self.function = function
        self.record = record
        self.handover = handover
        self.is_endpoint = False
        self.wait_labels = wait_labels
        self.asked_s = monotonic()
        if record is not None:
            record.begin_wait(self, self.asked_s)
            if is_endpoint_call(function, record.scope.get("endpoint")):
                self.is_endpoint = True
                record.queued_s = self.asked_s

    def end_wait(self, record: RequestRecord, now_s: float) -> None:
        record.end_wait(self, now_s)
        labels, self.wait_labels = self.wait_labels, None  # noted once
        if labels is not None and record.feed is not None:
            record.feed.note_wait(record, labels, now_s - self.asked_s)

    def give_up(self) -> None:
        """End the wait of a call that never began. Call on the loop when the call has ended."""
        if self.record is not None and self.record.waits:
            self.end_wait(self.record, monotonic())
        if self.handover is not None and isnan(self.handover.began_s):
            log.give_up(self.handover)

    def __call__(self, *given: object) -> object:
        record, handover, span = self.record, self.handover, None
        if record is not None:
            started_s = monotonic()
            self.end_wait(record, started_s)
            span = WorkSpan(record, started_s)
            if self.is_endpoint:
                record_thread_start(record, started_s)
        if handover is not None:
            log.begin(handover)
        try:
            return self.function(*given)
        except BaseException as error:
            if handover is not None:
                handover.failed = type(error).__name__ not in ENDS_OF_ITERATION
            raise
        finally:
            if span is not None:
                span.ended_s = monotonic()
                if self.is_endpoint:
                    span.record.ended_s = span.ended_s
                else:
                    thread_calls.log.write(span.record, "anyio-worker", self.asked_s, span.began_s)
            if handover is not None:
                log.end(handover)


def wrap_run_sync(original: RunSync) -> RunSync:
    @functools.wraps(original)
    async def run_sync(*given: object, **options: object) -> object:
        record = current.get()
        if not given and "func" in options:
            given = (options.pop("func"),)
        if not given or (record is None and log.journal is None):
            return await original(*given, **options)  # raises the error for missing arguments
        function, args = cast(Callable[..., object], given[0]), given[1:]
        if log.journal is not None:
            return await run_noted(original, function, args, options)
        call = PoolCall(function, record, None, find_wait_labels(record, options))
        try:
            return await original(call, *args, **options)
        finally:
            call.give_up()

    run_sync.probe_original = original  # type: ignore[attr-defined]
    return run_sync


def find_wait_labels(
    record: RequestRecord | None, options: dict[str, object], depth: int = 1
) -> WaitLabels | None:
    """Return what the metrics need of a call; None without metrics. depth: frames between the
    code that requests the call and the caller."""
    if record is None or record.feed is None:
        return None
    pool = "anyio" if options.get("limiter") is None else "limiter"
    return find_stage(sys._getframe(depth + 1)), pool


async def run_noted(
    original: RunSync,
    function: Callable[..., object],
    args: tuple[object, ...],
    options: dict[str, object],
) -> object:
    """Run a call and record it as an offloaded call of an audit."""
    record = current.get()
    queue = "anyio" if options.get("limiter") is None else "limiter"
    handover = log.ask(record, queue, depth=2)
    labels = None if record is None else find_wait_labels(record, options, depth=2)
    call, task = PoolCall(function, record, handover, labels), None
    if handover is not None:
        handover.call = function, args
        task = expect_token(handover)
    try:
        return await original(call, *args, **options)
    finally:
        if task is not None:
            asking.pop(task, None)
        call.give_up()
