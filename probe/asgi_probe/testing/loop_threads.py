"""Times every handle of every asyncio loop of the process, on the thread that runs it.

asyncio runs each callback and each step of a task through `Handle._run`."""

from __future__ import annotations

import gc
import threading
from asyncio import events
from collections import deque
from collections.abc import Callable
from math import inf
from time import sleep
from weakref import WeakSet

from asgi_probe.clocks import monotonic

from .timed_thread import LoopThread, TimedRun

MOST_RUNS = 1_000
AWAIT_END_S = 1.0
POLL_S = 0.01
"""Each look may wait for a core, and what it waits is not counted as blocked."""


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
            thread = self.find()
            self._keep(thread, thread.split(self.least_s))

    def await_ends(self, since_s: float) -> list[TimedRun]:
        """Wait for the ends of other threads' runs that began since a time, at most AWAIT_END_S;
        return those that go on."""
        give_up_s, own_thread = monotonic() + AWAIT_END_S, self.find()
        others = [each for each in self.list_alive() if each is not own_thread]
        while True:
            going = [(each, each.peek(since_s)) for each in others]
            is_over = not any(start or each.is_ending for each, start in going)
            if is_over or self.fault is not None or monotonic() > give_up_s:
                break
            sleep(POLL_S)
        runs = [each.measure_so_far(start) for each, start in going if start is not None]
        return [each for each in runs if each is not None]

    def _keep(self, thread: LoopThread, run: TimedRun | None) -> None:
        if run is not None:
            self.runs.append(run)
        thread.is_ending = False

    def _begin(self, handle: events.Handle) -> LoopThread | None:
        try:
            thread = self.find()
            self._keep(thread, thread.enter(handle, self.least_s))
        except Exception as error:  # the test must not be affected
            self.fault = error
            return None
        return thread

    def _end(self, thread: LoopThread) -> None:
        try:
            self._keep(thread, thread.leave(self.least_s))
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
