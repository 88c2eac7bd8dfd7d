"""Timing of handles on the loop's thread: the running handle, its start, and each long run.

asyncio runs every callback and every step of a task through `Handle._run`, which is timed here for
watched loops. Other loops (uvloop) do not use it. There the probe times the steps of the app's own
coroutine, and only the watchdog's samples show all other code."""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context
from math import inf
from threading import get_ident, get_native_id
from time import thread_time
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from .clocks import monotonic
from .reentry import run_inside
from .request_record import RequestRecord, current, work_spans
from .settings import read_beat_s
from .stacks import RUNNER, StackTexts, read_stack

if TYPE_CHECKING:
    from .metrics_feed import MetricsFeed

BEAT_S = 0.010
"""Shortest period of the loop's heartbeat and of the watchdog's samples."""
BLOCKED_AFTER_S = 0.020
"""A handle that runs for longer blocks the loop."""
MISSED_S = 0.025
"""Two samples this far apart say nothing about what ran between them."""
MOST_WAITING = 10_000
"""Maximum of queued entries; the watchdog takes them about 100 times per second."""
RELEVANT_GC_S = 0.001
MOST_OTHERS = 16
Run = Callable[[events.Handle], None]


class Ended(NamedTuple):
    """One long run of a handle. cpu_s: total CPU of the loop's thread at the run's end. timed: the
    times come from the handle itself, not from the watchdog's samples."""

    began_s: float
    ended_s: float
    cpu_s: float
    record: RequestRecord | None
    timed: bool = True


class Running(NamedTuple):
    """The handle that runs on the loop's thread, and its start."""

    began_s: float
    record: RequestRecord | None
    timed: bool


class LoopWatch:
    """State of one loop, written by the loop's thread and read by the watchdog. `began_s` is set
    before `running`, which is the handle's context, the request whose own coroutine runs, or None
    while no handle runs."""

    def __init__(self, *, times_handles: bool, times_steps: bool) -> None:
        """Call on the loop's thread. times_steps: time the steps of the app's own coroutine."""
        self.thread = get_ident()
        self.native_id = get_native_id()
        self.times_handles = times_handles
        self.times_steps = times_steps
        self.departed: RequestRecord | None = None
        """The last departed request: when its last handle ends, no context has it any more."""
        self.began_s = 0.0
        self.running: object = None
        self.inner_run: FrameType | None = None
        """The frame that ran the loop inside the running handle, if one did; see reentry.py."""
        self.beat_s = read_beat_s()
        self.beat_at_s = monotonic()
        self.ended: deque[Ended] = deque(maxlen=MOST_WAITING)
        self.silences: deque[tuple[float, float]] = deque(maxlen=MOST_WAITING)
        """(due, arrived) of each late heartbeat."""
        self.collections: deque[tuple[float, float]] = deque(maxlen=1_000)
        """(start, end) of each garbage collection on the loop's thread."""
        self.collecting_since_s = 0.0
        self.collected: deque[tuple[float, str | None]] = deque(maxlen=MOST_WAITING)
        """(end, stack) of each long collection: the watchdog cannot run during one, and may sample
        too late."""
        self.stacks = StackTexts()
        self.feeds: frozenset[MetricsFeed] = frozenset()
        """Metrics of the probes that watch the loop; replaced, never changed."""
        self.others: tuple[float, dict[int, str | None]] = (0.0, {})
        """Sample time, and the stacks of the threads that worked for a request, by ident."""

    def note_beat(self) -> None:
        now_s, due_s = monotonic(), self.beat_at_s + self.beat_s
        self.beat_at_s = now_s
        for feed in self.feeds:
            feed.note_lag(now_s - due_s)
        if now_s - due_s >= BLOCKED_AFTER_S:
            self.silences.append((due_s, now_s))
            self.note_others(now_s)

    def note_end(self, running: object, began_s: float, ended_s: float) -> None:
        if ended_s - began_s < BLOCKED_AFTER_S:
            return
        record = self.find_record(running, began_s)
        self.ended.append(Ended(began_s, ended_s, thread_time(), record))
        self.note_others(ended_s)

    def note_others(self, now_s: float) -> None:
        """Read the stacks of busy threads. A thread that has just released the GIL to the loop or
        to the watchdog is still at the line that held it; it may move on before the other reads."""
        # list(dict) is one call into C; building a list of items can trigger a garbage collection
        spans = ((ident, work_spans.get(ident)) for ident in list(work_spans))
        working = [ident for ident, span in spans if span is not None and span.ended_s == inf]
        if working:
            found = working[:MOST_OTHERS]
            stacks = {each: self.stacks.format_stack(read_stack(each)) for each in found}
            self.others = now_s, stacks

    def find_running(self, now_s: float) -> Running | None:
        """Return the running handle, called by the watchdog. None between two handles, in a
        handle's first BEAT_S, and on a loop whose handles are not timed."""
        running, began_s = self.running, self.began_s
        if running is None or now_s - began_s < BEAT_S or self.running is not running:
            return None
        return Running(began_s, self.find_record(running, began_s), timed=True)

    def find_record(self, running: object, began_s: float) -> RequestRecord | None:
        """Return the request in a handle's context, or the one that departed during the handle.
        None if it arrived after the handle had run for long: the earlier work is not known."""
        if not isinstance(running, Context):
            return running if isinstance(running, RequestRecord) else None
        record, departed = running.get(current), self.departed
        if record is None and departed is not None and departed.returned_s >= began_s:
            record = departed
        if record is not None and record.arrived_s - began_s > BLOCKED_AFTER_S:
            return None
        return record

    def note_collection(self, phase: str, _: dict[str, int]) -> None:
        """Callback for gc.callbacks, called on the thread whose allocation started a collection."""
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
        """Return seconds of garbage collection between two times, an unfinished one included."""
        since_s = self.collecting_since_s or ended_s
        spans = (*self.collections, (since_s, ended_s))
        return sum(max(0.0, min(ended_s, last) - max(began_s, first)) for first, last in spans)


watches: dict[object, LoopWatch] = {}
"""Maps each watched loop to its state."""


def watch_loop(loop: asyncio.AbstractEventLoop, *, stacks: bool) -> LoopWatch:
    """Start watching a loop, the handle that runs now included. Call on the loop's thread.
    stacks: times what runs on the loop; otherwise only its heartbeat is recorded."""
    is_asyncio = isinstance(loop, asyncio.BaseEventLoop)
    watch = LoopWatch(times_handles=stacks and is_asyncio, times_steps=stacks and not is_asyncio)
    watches[loop] = watch
    if stacks:
        watch.began_s, watch.running = monotonic(), find_running_context()
        gc.callbacks.append(watch.note_collection)
    return watch


def find_running_context() -> Context | None:
    """Return the context of the handle that runs the caller; None if nothing would record the
    handle's end: outside `run_handle`, or if another watch of the loop has recorded its start."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == RUNNER and frame.f_code.co_filename == __file__:
            context: Context = frame.f_locals["context"]
            return context if frame.f_locals["watch"] is None else None
        frame = frame.f_back
    return None


def unwatch_loop(loop: object) -> None:
    watch = watches.pop(loop, None)
    if watch is not None and watch.note_collection in gc.callbacks:
        gc.callbacks.remove(watch.note_collection)


def unwatch_all() -> None:
    """Call in a forked child, in which the loops of its parent do not run."""
    for loop in list(watches):
        unwatch_loop(loop)


def instrument_handles() -> None:
    """Wrap `Handle._run`, once per process."""
    original = events.Handle._run
    if not hasattr(original, "probe_original"):
        vars(events)["Handle"]._run = wrap_run(original)


def wrap_run(original: Run) -> Run:
    def run_handle(handle: events.Handle) -> None:
        loop: object = handle._loop  # type: ignore[attr-defined]
        context: Context = handle._context  # type: ignore[attr-defined]
        watch = watches.get(loop)
        if watch is None:
            run_unwatched(original, handle, loop, context)
            return
        if watch.running is not None:  # as with nest_asyncio
            run_inside(run_handle, handle, watch)
            return
        watch.began_s = monotonic()
        watch.running = context
        try:
            original(handle)
        finally:
            watch.running = watch.inner_run = None
            ended_s = monotonic()
            if ended_s - watch.began_s >= BLOCKED_AFTER_S:
                watch.note_end(context, watch.began_s, ended_s)

    run_handle.probe_original = original  # type: ignore[attr-defined]
    return run_handle


def run_unwatched(original: Run, handle: events.Handle, loop: object, context: Context) -> None:
    """Run a handle during which watching may start: an app's startup runs in the first handle."""
    try:
        original(handle)
    finally:
        watch = watches.get(loop)
        if watch is not None and watch.running is not None:
            watch.running = watch.inner_run = None
            watch.note_end(context, watch.began_s, monotonic())
