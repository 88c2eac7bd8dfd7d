"""The loop thread's CPU time and run delay, and the time in which the watchdog itself could not
look, as sums that grow; a stretch's share of them lies between two moments."""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left
from collections.abc import Sequence
from math import inf, nan
from time import monotonic, process_time, thread_time
from typing import NamedTuple

from .clocks import ThreadUsage, read_thread_cpu_s

LATE_S = 0.002
"""A look that comes this much late was kept from coming."""
USAGE_EVERY_S = 0.1
"""What takes a file to be read is read this often, and whenever the loop seems to be blocked."""
BUSY_SHARE = 0.7
MOST_TRIES = 3
KEPT = 512
"""Looks that are remembered: five seconds, and as many again before they are dropped."""
Point = tuple[float, ...]
"""A moment, then sums."""


class Used(NamedTuple):
    """Seconds. waited_s: for a core. unseen_s: the watchdog waited for the GIL. paused_s: the whole
    process stood still."""

    cpu_s: float
    waited_s: float
    unseen_s: float
    paused_s: float


class Look(NamedTuple):
    """now_s: when the clocks were read. last_s: the look before. late_s: how much later than due.
    busy: the loop's thread has computed since the look before. others_cpu_s: CPU of all threads but
    the loop's and the watchdog's; computed_s: of all, since the look before."""

    now_s: float
    last_s: float
    late_s: float
    busy: bool
    others_cpu_s: float
    computed_s: float


class Counters:
    """All of one loop's thread; read by the watchdog's own thread."""

    def __init__(self, loop_thread_id: int) -> None:
        self._loop_thread_id = loop_thread_id
        self._loop = ThreadUsage(loop_thread_id)
        self._own: ThreadUsage | None = None
        self._own_waited_s = self._own_turns = 0.0
        self._looks = 0
        self._usage_at_s = -inf
        self._cpu: list[Point] = []
        self._waited: list[Point] = [(monotonic(), self._loop.read().waited_s)]
        self._kept: list[Point] = [(0.0, 0.0, 0.0)]
        self._last = monotonic(), nan, process_time()

    def read_clocks(self, due_s: float) -> Look:
        """Call at each look; it was due at due_s. Keeps the GIL."""
        for _ in range(MOST_TRIES):
            now_s, process_cpu_s = monotonic(), process_time()
            cpu_s = read_thread_cpu_s(self._loop_thread_id)
            others_cpu_s = process_cpu_s - cpu_s - thread_time()
            if monotonic() - now_s < LATE_S:  # all of one moment: the GIL was not lost meanwhile
                break
        last_s, last_cpu_s, last_process_cpu_s = self._last
        self._last = now_s, cpu_s, process_cpu_s
        self._looks += 1
        self._cpu.append((now_s, cpu_s))
        if len(self._cpu) > 2 * KEPT:
            del self._cpu[:KEPT]
        busy = cpu_s - last_cpu_s > BUSY_SHARE * (now_s - last_s)
        computed_s = process_cpu_s - last_process_cpu_s
        return Look(now_s, last_s, now_s - due_s, busy, others_cpu_s, computed_s)

    def read_usage(self, look: Look, *, wrote: bool) -> bool:
        """Whether the look was late though a core was free. wrote: a slow disk may have kept it."""
        if self._own is None:
            self._own = ThreadUsage(threading.get_native_id())
        own, late_s = self._own.read(), look.late_s
        late_s -= own.waited_s - self._own_waited_s
        # the kernel runs it once a look, and where it waits for the GIL once an interval more
        asked = own.turns - self._own_turns - self._looks
        self._own_waited_s, self._own_turns, self._looks = own.waited_s, own.turns, 0
        self._usage_at_s = look.now_s
        append(self._waited, (look.now_s, self._loop.read().waited_s))
        if not late_s > LATE_S:
            return False
        _, unseen_s, paused_s = self._kept[-1]
        append(self._kept, (look.last_s, unseen_s, paused_s))
        if max(asked * sys.getswitchinterval(), look.computed_s) > late_s / 2:
            unseen_s += late_s
        elif not wrote:
            paused_s += late_s
        append(self._kept, (look.now_s, unseen_s, paused_s))
        return True

    def is_usage_due(self, now_s: float) -> bool:
        return now_s - self._usage_at_s >= USAGE_EVERY_S

    def add_cpu(self, at_s: float, cpu_s: float) -> None:
        """What the loop's thread had used at a moment, which it knows best itself."""
        append(self._cpu, (at_s, cpu_s))

    def measure(self, began_s: float, ended_s: float, cpu_at_end_s: float) -> Used:
        """Between two moments. cpu_at_end_s: of the thread since it began; NaN if unknown."""
        lasted_s = ended_s - began_s
        (cpu_s,) = subtract(self._cpu, began_s, ended_s)
        if cpu_at_end_s == cpu_at_end_s:
            cpu_s += cpu_at_end_s - interpolate(self._cpu, ended_s)[0]
        cpu_s = limit(cpu_s, lasted_s)
        (waited_s,) = subtract(self._waited, began_s, ended_s)
        unseen_s, paused_s = subtract(self._kept, began_s, ended_s)
        return Used(cpu_s, *(limit(each, lasted_s) for each in (waited_s, unseen_s, paused_s)))

    def close(self) -> None:
        self._loop.close()
        if self._own is not None:
            self._own.close()


def append(points: list[Point], point: Point) -> None:
    """Keeps them in order of time."""
    at = len(points)
    while at and points[at - 1][0] > point[0]:
        at -= 1
    points.insert(at, point)
    if len(points) > 2 * KEPT:
        del points[:KEPT]


def limit(value: float, most: float) -> float:
    """Between 0 and the most that is possible; NaN stays."""
    return value if value != value else min(max(value, 0.0), most)


def interpolate(points: Sequence[Point], at_s: float) -> Point:
    """The sums at a moment, on a straight line between two looks; at an end the nearest."""
    at = bisect_left(points, (at_s,))
    if at == 0:
        return points[0][1:]
    if at == len(points):
        return points[-1][1:]
    before, after = points[at - 1], points[at]
    span_s = after[0] - before[0]
    part = (at_s - before[0]) / span_s if span_s else 1.0
    return tuple(a + (b - a) * part for a, b in zip(before[1:], after[1:]))


def subtract(points: Sequence[Point], began_s: float, ended_s: float) -> Point:
    """What the sums grew by between two moments."""
    first, last = interpolate(points, began_s), interpolate(points, ended_s)
    return tuple(b - a for a, b in zip(first, last))
