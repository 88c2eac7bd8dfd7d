"""One thread that samples the stacks of all threads that run event loops, and notes when it had to
wait for the GIL or for a core itself: it can stall a loop by that.

A thread that passes the GIL on at another one's request waits until that one has taken it. On a
busy machine, this may take as long as the other waits for a core."""

from __future__ import annotations

import threading
from collections import deque
from math import inf
from time import process_time, thread_time
from typing import NamedTuple

from asgi_probe.blocks import BEAT_S
from asgi_probe.clocks import monotonic, read_thread_cpu_s
from asgi_probe.probe_thread import ProbeThread
from asgi_probe.reentry import is_between
from asgi_probe.stacks import read_stack
from asgi_probe.stretches import DENSE_UNTIL_S, SPARSER

from .alarm import Alarm
from .loop_threads import LoopThreads
from .run_delays import RunDelays, count_own_waits
from .timed_thread import LoopThread, RunSample
from .token_waits import token_waits

SHORTEST_S = 0.001
AWAIT_LOOK_S = 10.0
"""On a busy machine one look can take a second."""
KEPT = 2_000


class SamplerLook(NamedTuple):
    """woke_s: on a core again, and it asked for the GIL. got_s: it had the GIL. done_s: it gave the
    GIL back. waited_s: its run delay since the previous look. contended: another thread had the
    GIL, so that it waited at least twice: for its time, and for the GIL."""

    woke_s: float
    got_s: float
    done_s: float
    waited_s: float
    contended: bool


class SamplerPart(NamedTuple):
    """Seconds of a run. unseen_s: the sampler waited for the GIL. stalled_s: a thread that gave it
    the GIL may have waited until the sampler had a core. held_s: it had the GIL, but no core."""

    unseen_s: float
    stalled_s: float
    held_s: float


class Sampler:
    """Its thread runs from `start` to `stop`. `lock` guards the threads' holders."""

    def __init__(self, threads: LoopThreads) -> None:
        self.lock = threading.Lock()
        self._threads = threads
        self._delays = RunDelays()
        self._looks: deque[SamplerLook] = deque(maxlen=KEPT)
        self._count = 0
        self._looked = threading.Condition()
        self._stopped = False
        self._thread = ProbeThread(target=self._run, name="probe test sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._threads.sampler_id = self._thread.native_id or 0

    def stop(self) -> None:
        self._stopped = True
        self._thread.join(timeout=AWAIT_LOOK_S)

    def await_look(self) -> None:
        """Wait until a whole look has begun and ended: it knows what blocked until now."""
        with self._looked:
            wanted = self._count + 2
            self._looked.wait_for(
                lambda: self._stopped or self._count >= wanted, timeout=AWAIT_LOOK_S
            )

    def measure(self, began_s: float, ended_s: float) -> SamplerPart:
        unseen_s = stalled_s = held_s = 0.0
        for woke_s, got_s, done_s, waited_s, contended in list(self._looks):
            asked_s = overlap(began_s, ended_s, woke_s, got_s)
            if contended:
                unseen_s += asked_s
                stalled_s += min(waited_s, asked_s)
            held_s += min(waited_s, overlap(began_s, ended_s, got_s, done_s))
        return SamplerPart(unseen_s, stalled_s, held_s)

    def _run(self) -> None:
        try:
            self._sample()
        except Exception as error:  # reported at the end of the test
            self._threads.fault = error
        finally:
            self._stopped = True
            self._delays.close()

    def _sample(self) -> None:
        alarm, own = Alarm(), threading.get_native_id()
        waited_s, waits = self._delays.read(own), count_own_waits()
        while not self._stopped:
            least_s = min(self._threads.least_s, token_waits.least_s)
            period_s = min(BEAT_S, max(SHORTEST_S, least_s / 4))
            woke_s = alarm.sleep(period_s)
            got_s, before_s, waits_before = monotonic(), waited_s, waits
            waits = count_own_waits()
            for thread in self._threads.list_alive():
                with self.lock:
                    self._look(thread)
            token_waits.look()
            waited_s, done_s = self._delays.read(own), monotonic()
            if woke_s == woke_s and waited_s == waited_s:
                contended = waits - waits_before > 1
                look = SamplerLook(woke_s, got_s, done_s, waited_s - before_s, contended)
                self._looks.append(look)
            with self._looked:
                self._count += 1
                self._looked.notify_all()
        alarm.close()

    def _look(self, thread: LoopThread) -> None:
        watch, now_s = thread.watch, monotonic()
        thread_cpu_s = read_thread_cpu_s(thread.native_id)
        began_s, running = watch.began_s, watch.running
        age_s = now_s - began_s if running is not None else -inf
        is_long = age_s >= min(BEAT_S, self._threads.least_s / 4)
        if is_long and is_due(thread, now_s, began_s):
            waited_s, stack = self._delays.read(thread.native_id), read_stack(watch.thread)
            is_same = watch.began_s == began_s and watch.running is running
            if is_same and not is_between(watch, stack):
                thread.samples.append(RunSample(now_s, began_s, thread_cpu_s, waited_s, stack))
        others_cpu_s = process_time() - thread_cpu_s - thread_time()
        thread.holders.read(now_s, others_cpu_s, reads_stacks=is_long)


def overlap(began_s: float, ended_s: float, first_s: float, last_s: float) -> float:
    return max(0.0, min(ended_s, last_s) - max(began_s, first_s))


def is_due(thread: LoopThread, now_s: float, began_s: float) -> bool:
    """Return False if a long run has a sample that is recent for its age."""
    last = thread.samples[-1] if thread.samples else None
    if last is None or last.began_s != began_s or now_s - began_s < DENSE_UNTIL_S:
        return True
    return now_s - last.at_s >= SPARSER * (now_s - began_s)
