"""What the loop's own thread notes of the handles that it runs: which one runs now, since when,
and each that ran for long.

asyncio runs every callback and every step of a task through `Handle._run`, which is timed here for
the loops that are watched. A loop of another make (uvloop) runs them elsewhere: there the probe
times the steps of the app's own coroutine, and the watchdog's samples have to do for the rest."""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context
from math import inf
from threading import get_ident
from time import monotonic, thread_time
from types import FrameType
from typing import NamedTuple

from .recorder import Recorder
from .request_record import RequestRecord, current, work_spans
from .stacks import RUNNER, StackTexts, read_stack

BEAT_S = 0.010
"""Period of the loop's heartbeat, and of the watchdog's look."""
BLOCKED_AFTER_S = 0.020
"""A handle that runs for longer blocks the loop."""
MISSED_S = 0.025
"""Between two looks this far apart anything may have run."""
MOST_WAITING = 10_000
"""Ended stretches that the watchdog has not yet taken; it takes them a hundred times a second."""
RELEVANT_GC_S = 0.001
MOST_OTHERS = 16


class Ended(NamedTuple):
    """One handle that ran for long. cpu_s: of the loop's thread since it began, at the end. timed:
    the moments are the handle's own, not the watchdog's."""

    began_s: float
    ended_s: float
    cpu_s: float
    record: RequestRecord | None
    timed: bool = True


class Running(NamedTuple):
    """What has the loop's thread, since when."""

    began_s: float
    record: RequestRecord | None
    timed: bool


class LoopWatch:
    """Of one loop. Written by the loop's thread, read by the watchdog: `began_s` is set before
    `running`, which is None while no handle runs; otherwise the handle's context, or the request
    whose own coroutine runs."""

    def __init__(self, thread: int, recorder: Recorder, times_handles: bool) -> None:
        self.thread = thread
        self.recorder = recorder
        self.times_handles = times_handles
        self.began_s = 0.0
        self.running: object = None
        self.beat_at_s = monotonic()
        self.ended: deque[Ended] = deque(maxlen=MOST_WAITING)
        self.silences: deque[tuple[float, float]] = deque(maxlen=MOST_WAITING)
        """When a heartbeat was due, and when it came, of those that came late."""
        self.collections: deque[tuple[float, float]] = deque(maxlen=1_000)
        """Began and ended, of the garbage collections on the loop's thread."""
        self.collecting_since_s = 0.0
        self.collected: deque[tuple[float, str | None]] = deque(maxlen=MOST_WAITING)
        """When a long one of them ended, and where: the watchdog, locked out meanwhile, may come
        too late to see it."""
        self.stacks = StackTexts()
        self.others: tuple[float, dict[int, str | None]] = (0.0, {})
        """When, and the stacks of threads that worked for a request, by their ident."""

    def note_beat(self) -> None:
        now_s, due_s = monotonic(), self.beat_at_s + BEAT_S
        self.beat_at_s = now_s
        if now_s - due_s >= BLOCKED_AFTER_S:
            self.silences.append((due_s, now_s))
            self.note_others(now_s)

    def note_end(self, running: object, began_s: float, ended_s: float) -> None:
        record = self.find_record(running, began_s)
        self.ended.append(Ended(began_s, ended_s, thread_time(), record))
        self.note_others(ended_s)

    def note_others(self, now_s: float) -> None:
        """A thread that had the GIL gives it to this one or to the watchdog, and is then still at
        the line that took it. Before the other of the two comes, it may have gone on."""
        # a list of keys is made in one call into C: of items, a garbage collection may begin within
        spans = ((ident, work_spans.get(ident)) for ident in list(work_spans))
        working = [ident for ident, span in spans if span is not None and span.ended_s == inf]
        if working:
            found = working[:MOST_OTHERS]
            self.others = (
                now_s,
                {ident: self.stacks.format_stack(read_stack(ident)) for ident in found},
            )

    def find_running(self, now_s: float) -> Running | None:
        """As the watchdog sees it. None between two handles, where the loop does not tell, and in a
        handle's first 10 ms."""
        running, began_s = self.running, self.began_s
        if running is None or now_s - began_s < BEAT_S or self.running is not running:
            return None
        return Running(began_s, self.find_record(running, began_s), timed=True)

    def find_record(self, running: object, began_s: float) -> RequestRecord | None:
        """The request that a handle's context carries, or that left while it ran. None where it
        came only after the handle had run for long: who ran before is not known."""
        if not isinstance(running, Context):
            return running if isinstance(running, RequestRecord) else None
        record, departed = running.get(current), self.recorder.departed
        if record is None and departed is not None and departed.returned_s >= began_s:
            record = departed
        if record is not None and record.arrived_s - began_s > BLOCKED_AFTER_S:
            return None
        return record

    def note_collection(self, phase: str, _: dict[str, int]) -> None:
        """For gc.callbacks: called on the thread whose allocation started the collection."""
        if get_ident() != self.thread:
            return
        now_s = monotonic()
        if phase == "start":
            self.collecting_since_s = now_s
        elif self.collecting_since_s:
            if now_s - self.collecting_since_s > RELEVANT_GC_S:
                self.collections.append((self.collecting_since_s, now_s))
            if now_s - self.collecting_since_s >= BLOCKED_AFTER_S:
                stack = self.stacks.format_stack(read_stack(self.thread))
                self.collected.append((now_s, stack))
            self.collecting_since_s = 0.0

    def measure_gc(self, began_s: float, ended_s: float) -> float:
        """Seconds of garbage collection between two moments, the one that lasts included."""
        since_s = self.collecting_since_s or ended_s
        spans = (*self.collections, (since_s, ended_s))
        return sum(max(0.0, min(ended_s, last) - max(began_s, first)) for first, last in spans)


watches: dict[object, LoopWatch] = {}
"""By the loop."""


def watch_loop(loop: asyncio.AbstractEventLoop, recorder: Recorder) -> LoopWatch:
    """Call on the loop's thread. The handle that runs is watched from now on."""
    watch = watches[loop] = LoopWatch(
        get_ident(), recorder, times_handles=isinstance(loop, asyncio.BaseEventLoop)
    )
    watch.began_s, watch.running = monotonic(), find_running_context()
    gc.callbacks.append(watch.note_collection)
    return watch


def find_running_context() -> Context | None:
    """Of the handle that runs what calls this; None where `run_handle` will not hear of its end."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == RUNNER and frame.f_code.co_filename == __file__:
            context: Context = frame.f_locals["context"]
            return context
        frame = frame.f_back
    return None


def unwatch_loop(loop: asyncio.AbstractEventLoop) -> None:
    watch = watches.pop(loop, None)
    if watch is not None and watch.note_collection in gc.callbacks:
        gc.callbacks.remove(watch.note_collection)


def instrument_handles() -> None:
    """Does nothing the second time."""
    original = events.Handle._run
    if not hasattr(original, "probe_original"):
        vars(events)["Handle"]._run = wrap_run(original)


def wrap_run(original: Callable[[events.Handle], None]) -> Callable[[events.Handle], None]:
    def run_handle(handle: events.Handle) -> None:
        loop: object = handle._loop  # type: ignore[attr-defined]
        context: Context = handle._context  # type: ignore[attr-defined]
        watch = watches.get(loop)
        if watch is None:
            run_unwatched(original, handle, loop, context)
            return
        watch.began_s = began_s = monotonic()
        watch.running = context
        try:
            original(handle)
        finally:
            watch.running = None
            ended_s = monotonic()
            if ended_s - began_s >= BLOCKED_AFTER_S:
                watch.note_end(context, began_s, ended_s)

    run_handle.probe_original = original  # type: ignore[attr-defined]
    return run_handle


def run_unwatched(
    original: Callable[[events.Handle], None],
    handle: events.Handle,
    loop: object,
    context: Context,
) -> None:
    """A handle in which the watch may begin: an app's startup runs in the very first."""
    try:
        original(handle)
    finally:
        watch = watches.get(loop)
        if watch is not None and watch.running is not None:
            watch.running = None
            ended_s = monotonic()
            if ended_s - watch.began_s >= BLOCKED_AFTER_S:
                watch.note_end(context, watch.began_s, ended_s)
