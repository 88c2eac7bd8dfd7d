"""A thread that runs event loops: when its handle's run began, and what clocks and stacks say of a
long one.

The state belongs to the thread, not to the loop: hundreds of short-lived loops on one thread share
one."""

from __future__ import annotations

import threading
from asyncio import events
from collections import deque
from collections.abc import Mapping
from contextvars import Context
from math import inf
from time import thread_time
from types import FrameType
from typing import NamedTuple
from weakref import finalize

from asgi_probe.blocks import LoopWatch
from asgi_probe.clocks import monotonic
from asgi_probe.holders import HolderLog
from asgi_probe.reentry import find_loop_run
from asgi_probe.request_record import RequestRecord
from asgi_probe.stacks import SeenFrame

from .run_delays import RunDelays, count_own_waits

REREAD_S = 0.001
"""The clocks at a handle's start may be this old: reading them costs more than most handles. So at
most this much of earlier handles counts as the handle's own."""
AT_ONCE_S = 0.0005
MOST_TRIES = 20
"""The clocks are read again if the thread lost its core or the GIL between two of them."""
MOST_SAMPLES = 1_000


class RunSample(NamedTuple):
    """began_s: start of the run. cpu_s, waited_s: CPU and run delay of the thread since it began.
    stack: innermost frame first."""

    at_s: float
    began_s: float
    cpu_s: float
    waited_s: float
    stack: list[SeenFrame]


class ThreadClocks(NamedTuple):
    """cpu_s, waited_s: CPU time and run delay of the thread since it began. waits: how often it has
    given up its core. others: run delay of each other thread since it began, by native id."""

    at_s: float
    cpu_s: float
    waited_s: float
    waits: float
    others: Mapping[int, float]


class RunStart(NamedTuple):
    """outer: the handle inside which the loop runs this one; see reentry.py. inner_run: the frame
    that runs the loop there."""

    began_s: float
    clocks: ThreadClocks
    handle: events.Handle
    outer: RunStart | None = None
    inner_run: FrameType | None = None


class TimedRun(NamedTuple):
    """A long run of a handle, or of a part of one. waited_s: run delay of its thread, NaN if the
    kernel keeps none. others_waited_s: the sum of the other threads' run delays meanwhile, without
    the sampler's. waits: how often its thread gave up its core. samples: of its thread's stack."""

    thread: LoopThread
    start: RunStart
    ended_s: float
    cpu_s: float
    waited_s: float
    others_waited_s: float
    waits: float
    record: RequestRecord | None
    samples: list[RunSample]


def sum_growth(first: Mapping[int, float], last: Mapping[int, float]) -> float:
    return sum(max(0.0, value - first.get(each, 0.0)) for each, value in last.items())


own = threading.local()


def find_watch() -> LoopWatch:
    """Return the state of the calling thread, which may run a loop that nothing watches."""
    watch: LoopWatch | None = getattr(own, "watch", None)
    if watch is None:
        watch = own.watch = LoopWatch(times_handles=False, times_steps=False)
    return watch


class LoopThread:
    """A thread that runs event loops. Only the thread itself calls its methods; the sampler reads
    `watch` and adds the samples; `peek` is for others. is_ending: a run has ended, but is not kept
    yet."""

    is_ending = False

    def __init__(self, sampler_id: int) -> None:
        self.native_id = threading.get_native_id()
        self.watch = own.watch = LoopWatch(times_handles=True, times_steps=False)
        self.holders = HolderLog(self.watch)
        self.samples: deque[RunSample] = deque(maxlen=MOST_SAMPLES)
        self._known = (self.native_id, sampler_id)
        self._starts: list[RunStart] = []
        """More than one if a handle runs another loop."""
        self._delays = RunDelays()
        self._clocks = ThreadClocks(-inf, 0.0, 0.0, 0, {})
        finalize(self, self._delays.close)

    def enter(self, handle: events.Handle, least_s: float) -> TimedRun | None:
        """Begin a run. If the loop runs the handle inside another one, end the run of that first,
        and return it if it took least_s or longer, unless the loop has waited meanwhile."""
        outer = self._starts[-1] if self._starts else None
        if outer is None or outer.handle._loop is not handle._loop:  # type: ignore[attr-defined]
            self.begin(handle)
            return None
        inner_run = find_loop_run()
        run = self.end(inf if inner_run is self.watch.inner_run else least_s)
        self.begin(handle, outer, inner_run)
        return run

    def leave(self, least_s: float) -> TimedRun | None:
        """End a run like `end`, and go on with the one outside it."""
        start = self._starts[-1]
        run, self.watch.inner_run = self.end(least_s), start.inner_run
        if start.outer is not None:
            self._begin_again(start.outer)
        return run

    def begin(
        self,
        handle: events.Handle,
        outer: RunStart | None = None,
        inner_run: FrameType | None = None,
    ) -> None:
        began_s = monotonic()
        if began_s - self._clocks.at_s > REREAD_S:
            began_s = self._read_clocks().at_s
        self._starts.append(RunStart(began_s, self._clocks, handle, outer, inner_run))
        self._show_running()

    def _read_clocks(self) -> ThreadClocks:
        for _ in range(MOST_TRIES):
            first_s = monotonic()
            others = self._delays.read_others(self._known)
            cpu_s, waited_s = thread_time(), self._delays.read(self.native_id)
            last_s = monotonic()
            if last_s - first_s < AT_ONCE_S:
                break
        self._clocks = ThreadClocks(last_s, cpu_s, waited_s, count_own_waits(), others)
        return self._clocks

    def end(self, least_s: float) -> TimedRun | None:
        """Return the run if it took least_s or longer without its run delay."""
        self.is_ending = True
        start, watch = self._starts.pop(), self.watch
        running = watch.running
        self._show_running()
        if monotonic() - start.began_s < least_s:
            return None
        first, last = start.clocks, self._read_clocks()
        waited_s = last.waited_s - first.waited_s
        samples = [each for each in list(self.samples) if each.began_s == start.began_s]
        self.samples.clear()
        if last.at_s - start.began_s - waited_s < least_s:
            return None
        cpu_s, record = last.cpu_s - first.cpu_s, watch.find_record(running, start.began_s)
        return TimedRun(
            self, start, last.at_s, cpu_s, waited_s, sum_growth(first.others, last.others),
            last.waits - first.waits, record, samples,
        )  # fmt: skip

    def peek(self, since_s: float) -> RunStart | None:
        """Return the start of the run that goes on if it began since a time."""
        starts = self._starts[-1:]
        return starts[0] if starts and starts[0].began_s >= since_s else None

    def measure_so_far(self, start: RunStart) -> TimedRun | None:
        """Return a run that goes on, until its last sample. How often it waited is not known."""
        samples = [each for each in list(self.samples) if each.began_s == start.began_s]
        if not samples:
            return None
        first, last, delays = start.clocks, samples[-1], RunDelays()
        others_s = sum_growth(first.others, delays.read_others(self._known))
        delays.close()
        return TimedRun(
            self, start, last.at_s, last.cpu_s - first.cpu_s, last.waited_s - first.waited_s,
            others_s, inf, self.watch.find_record(self.watch.running, start.began_s), samples,
        )  # fmt: skip

    def split(self, least_s: float) -> TimedRun | None:
        """End the run, if the thread is inside a handle, and begin the next one at once."""
        if not self._starts:
            return None
        start = self._starts[-1]
        run = self.end(least_s)
        self._begin_again(start)
        return run

    def _begin_again(self, start: RunStart) -> None:
        self.begin(start.handle, start.outer, start.inner_run)

    def _show_running(self) -> None:
        """Show the sampler which run it would see."""
        self.watch.running = None
        if self._starts:
            start = self._starts[-1]
            context: Context = start.handle._context  # type: ignore[attr-defined]
            self.watch.began_s = start.began_s
            self.watch.running = context
