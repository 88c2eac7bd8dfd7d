"""One thread that samples the stacks of all threads that run event loops, and the clocks that
explain a block."""

from __future__ import annotations

import threading
from math import inf
from time import monotonic, sleep

from ..blocks import BEAT_S
from ..counters import LATE_S
from ..stacks import read_stack
from ..stretches import DENSE_UNTIL_S, SPARSER
from .loop_threads import LoopThread, LoopThreads, StackSample

SHORTEST_S = 0.001
AWAIT_LOOK_S = 1.0


class Sampler:
    """Its thread runs from `start` to `stop`. `lock` guards the counters that it fills."""

    def __init__(self, threads: LoopThreads) -> None:
        self.lock = threading.Lock()
        self._threads = threads
        self._looks = 0
        self._looked = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="probe test sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._thread.join(timeout=AWAIT_LOOK_S)

    def await_look(self) -> None:
        """Wait until a whole look has begun and ended: it knows what blocked until now."""
        with self._looked:
            wanted = self._looks + 2
            self._looked.wait_for(lambda: self._looks >= wanted, timeout=AWAIT_LOOK_S)

    def _run(self) -> None:
        looked_s = monotonic()
        while not self._stopped:
            period_s = min(BEAT_S, max(SHORTEST_S, self._threads.least_s / 4))
            sleep(period_s)
            due_s, looked_s = looked_s + period_s, monotonic()
            for thread in self._threads.list_alive():
                with self.lock:
                    self._look(thread, due_s)
            with self._looked:
                self._looks += 1
                self._looked.notify_all()

    def _look(self, thread: LoopThread, due_s: float) -> None:
        watch, counters = thread.watch, thread.counters
        look = counters.read_clocks(due_s)
        began_s, running = watch.began_s, watch.running
        age_s = look.now_s - began_s if running is not None else -inf
        is_long = age_s >= min(BEAT_S, self._threads.least_s / 4)
        if is_long and is_due(thread, look.now_s, began_s):
            stack = read_stack(watch.thread)
            if watch.began_s == began_s and watch.running is running:
                thread.samples.append(StackSample(look.now_s, began_s, stack))
        thread.holders.read(look.now_s, look.others_cpu_s, reads_stacks=is_long)
        if is_long or look.late_s > LATE_S or counters.is_usage_due(look.now_s):
            counters.read_usage(look, wrote=False)


def is_due(thread: LoopThread, now_s: float, began_s: float) -> bool:
    """Return False if a long run has a sample that is recent for its age."""
    last = thread.samples[-1] if thread.samples else None
    if last is None or last.began_s != began_s or now_s - began_s < DENSE_UNTIL_S:
        return True
    return now_s - last.at_s >= SPARSER * (now_s - began_s)
