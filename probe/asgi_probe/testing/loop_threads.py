"""Times every handle of every asyncio loop of the process, on the thread that runs it.

asyncio runs each callback and each step of a task through `Handle._run`. The state belongs to the
thread, not to the loop: hundreds of short-lived loops on one thread share one."""

from __future__ import annotations

import gc
import threading
from asyncio import events
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context
from math import inf
from time import monotonic, thread_time
from typing import NamedTuple
from weakref import WeakSet, finalize

from asgi_probe.blocks import LoopWatch
from asgi_probe.holders import HolderLog
from asgi_probe.request_record import RequestRecord
from asgi_probe.stacks import SeenFrame

from .run_delays import RunDelays, count_own_waits

REREAD_S = 0.001
"""The clocks at a handle's start may be this old: reading them costs more than most handles. So at
most this much of earlier handles counts as the handle's own."""
AT_ONCE_S = 0.0005
MOST_TRIES = 20
"""The clocks are read again if the thread lost its core or the GIL between two of them."""
MOST_RUNS = 1_000


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
    began_s: float
    clocks: ThreadClocks
    handle: events.Handle


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


own = threading.local()


def find_watch() -> LoopWatch:
    """Return the state of the calling thread, which may run a loop that nothing watches."""
    watch: LoopWatch | None = getattr(own, "watch", None)
    if watch is None:
        watch = own.watch = LoopWatch(times_handles=False, times_steps=False)
    return watch


class LoopThread:
    """A thread that runs event loops. Only the thread itself calls its methods; the sampler reads
    `watch` and adds the samples."""

    def __init__(self, sampler_id: int) -> None:
        self.native_id = threading.get_native_id()
        self.watch = own.watch = LoopWatch(times_handles=True, times_steps=False)
        self.holders = HolderLog(self.watch)
        self.samples: deque[RunSample] = deque(maxlen=MOST_RUNS)
        self._known = (self.native_id, sampler_id)
        self._starts: list[RunStart] = []
        """More than one if a handle runs another loop."""
        self._delays = RunDelays()
        self._clocks = ThreadClocks(-inf, 0.0, 0.0, 0, {})
        finalize(self, self._delays.close)

    def begin(self, handle: events.Handle) -> None:
        began_s = monotonic()
        if began_s - self._clocks.at_s > REREAD_S:
            began_s = self._read_clocks().at_s
        self._starts.append(RunStart(began_s, self._clocks, handle))
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
        start, watch = self._starts.pop(), self.watch
        running = watch.running
        self._show_running()
        if monotonic() - start.began_s < least_s:
            return None
        first, last = start.clocks, self._read_clocks()
        waited_s = last.waited_s - first.waited_s
        samples = [each for each in self.samples if each.began_s == start.began_s]
        self.samples.clear()
        if last.at_s - start.began_s - waited_s < least_s:
            return None
        others_s = sum(
            max(0.0, each_s - first.others.get(each, 0.0)) for each, each_s in last.others.items()
        )
        cpu_s, record = last.cpu_s - first.cpu_s, watch.find_record(running, start.began_s)
        return TimedRun(
            self, start, last.at_s, cpu_s, waited_s, others_s, last.waits - first.waits, record,
            samples,
        )  # fmt: skip

    def split(self, least_s: float) -> TimedRun | None:
        """End the run, if the thread is inside a handle, and begin the next one at once."""
        if not self._starts:
            return None
        handle = self._starts[-1].handle
        run = self.end(least_s)
        self.begin(handle)
        return run

    def _show_running(self) -> None:
        """Show the sampler which run it would see."""
        self.watch.running = None
        if self._starts:
            start = self._starts[-1]
            context: Context = start.handle._context  # type: ignore[attr-defined]
            self.watch.began_s = start.began_s
            self.watch.running = context


class LoopThreads:
    """All threads of the process that run event loops, and the long runs of their handles.

    least_s: shorter runs are not kept.
    """

    def __init__(self) -> None:
        self.least_s = inf
        self.fault: Exception | None = None
        """An error of the plug-in itself; nothing is watched after it."""
        self.sampler_id = 0
        self.runs: deque[TimedRun] = deque(maxlen=MOST_RUNS)
        self._alive: WeakSet[LoopThread] = WeakSet()
        self._adding = threading.Lock()
        self._local = threading.local()

    def find(self) -> LoopThread:
        """Return the state of the calling thread."""
        found: LoopThread | None = getattr(self._local, "thread", None)
        if found is None:
            found = self._local.thread = LoopThread(self.sampler_id)
            with self._adding:
                self._alive.add(found)
        return found

    def list_alive(self) -> list[LoopThread]:
        with self._adding:
            return list(self._alive)

    def split(self) -> None:
        """Cut the run of the calling thread's handle in two, if one runs."""
        if self.fault is None:
            self._keep(self.find().split(self.least_s))

    def _keep(self, run: TimedRun | None) -> None:
        if run is not None:
            self.runs.append(run)

    def _begin(self, handle: events.Handle) -> LoopThread | None:
        try:
            thread = self.find()
            thread.begin(handle)
        except Exception as error:  # the test must not be affected
            self.fault = error
            return None
        return thread

    def _end(self, thread: LoopThread) -> None:
        try:
            self._keep(thread.end(self.least_s))
        except Exception as error:  # the test must not be affected
            self.fault = error

    def _note_collection(self, phase: str, about: dict[str, int]) -> None:
        thread: LoopThread | None = getattr(self._local, "thread", None)
        if thread is not None:
            thread.watch.note_collection(phase, about)

    def instrument(self) -> Callable[[], None]:
        """Wrap `Handle._run`; return the function that undoes it. Once undone, a wrapper that
        another one has wrapped since then only calls the original."""
        original = events.Handle._run
        is_on = True

        def run_handle(handle: events.Handle) -> None:  # the name that `stacks.RUNNER` expects
            thread = self._begin(handle) if is_on and self.fault is None else None
            try:
                original(handle)
            finally:
                if thread is not None:
                    self._end(thread)

        def undo() -> None:
            nonlocal is_on
            is_on = False
            gc.callbacks.remove(self._note_collection)
            if events.Handle._run is run_handle:
                vars(events)["Handle"]._run = original

        vars(events)["Handle"]._run = run_handle
        gc.callbacks.append(self._note_collection)
        return undo
