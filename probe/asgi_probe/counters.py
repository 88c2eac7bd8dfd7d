"""Cumulative sums: the loop thread's CPU time and run delay, and the time without samples of the
watchdog. The difference between two times is a stretch's share."""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import inf, nan
from operator import itemgetter
from time import process_time, thread_time
from typing import NamedTuple, TypeVar

from .clocks import ThreadUsage, monotonic, read_thread_cpu_s

LATE_S = 0.002
"""A sample that is this late was delayed by something other than the timer."""
USAGE_EVERY_S = 0.1
"""Period for values that need a file read; they are also read while the loop seems blocked."""
BUSY_SHARE = 0.7
MOST_TRIES = 3
MOST_POINTS = 1_024
DENSITY = 0.03
"""Once there are MOST_POINTS, they are thinned out: what `measure` returns at the end of a stretch
is exact to 3 % of its length, however long it is. Of an hour 460 points are left, of a day 540."""
Point = tuple[float, ...]
"""A time, then sums."""
T = TypeVar("T")


class Used(NamedTuple):
    """Seconds. waited_s: the loop's thread waited for a core. unseen_s: the watchdog waited for
    the GIL. paused_s: the whole process was paused."""

    cpu_s: float
    waited_s: float
    unseen_s: float
    paused_s: float


class Look(NamedTuple):
    """One sample of the clocks. last_s: time of the previous sample. late_s: delay after the due
    time. busy: the loop's thread has computed since then. others_cpu_s: total CPU of all threads
    except the loop's and the watchdog's. computed_s: CPU of all threads since then."""

    now_s: float
    last_s: float
    late_s: float
    busy: bool
    others_cpu_s: float
    computed_s: float


class Counters:
    """Counters of one loop's thread, read on the watchdog's thread."""

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
        """Read the clocks for a sample that was due at due_s. Keeps the GIL."""
        for _ in range(MOST_TRIES):
            now_s, process_cpu_s = monotonic(), process_time()
            cpu_s = read_thread_cpu_s(self._loop_thread_id)
            others_cpu_s = process_cpu_s - cpu_s - thread_time()
            if monotonic() - now_s < LATE_S:  # the GIL was not lost between the reads
                break
        last_s, last_cpu_s, last_process_cpu_s = self._last
        self._last = now_s, cpu_s, process_cpu_s
        self._looks += 1
        append(self._cpu, (now_s, cpu_s))
        busy = cpu_s - last_cpu_s > BUSY_SHARE * (now_s - last_s)
        computed_s = process_cpu_s - last_process_cpu_s
        return Look(now_s, last_s, now_s - due_s, busy, others_cpu_s, computed_s)

    def read_usage(self, look: Look, *, wrote: bool) -> bool:
        """Return True if a sample was late although a core was free. wrote: the watchdog wrote to
        the journal before it, so a slow disk may be the cause."""
        if self._own is None:
            self._own = ThreadUsage(threading.get_native_id())
        own, late_s = self._own.read(), look.late_s
        late_s -= own.waited_s - self._own_waited_s
        # the kernel schedules this thread once per sample, and once more per GIL switch interval
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
        """Add the loop thread's own reading of its CPU at a time: the most precise one."""
        append(self._cpu, (at_s, cpu_s))

    def measure(self, began_s: float, ended_s: float, cpu_at_end_s: float) -> Used:
        """Return the usage between two times. cpu_at_end_s: CPU total at the end; NaN: unknown."""
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
    """Insert in order of time."""
    at = len(points)
    while at and points[at - 1][0] > point[0]:
        at -= 1
    points.insert(at, point)
    if len(points) > MOST_POINTS:
        points[:] = thin(points, DENSITY, itemgetter(0))


def thin(looks: Sequence[T], share: float, get_time: Callable[[T], float]) -> list[T]:
    """Leave out the looks whose neighbours are closer to each other than a share of their own age:
    the gaps are at most that share of the time since then. looks: in order of time."""
    kept, last_s = [looks[0]], get_time(looks[-1])
    for each, following in zip(looks[1:], looks[2:]):
        at_s = get_time(following)
        if at_s - get_time(kept[-1]) >= share * (last_s - at_s):
            kept.append(each)
    return [*kept, looks[-1]]


def limit(value: float, most: float) -> float:
    """Clamp to 0 .. most; NaN stays NaN."""
    return value if value != value else min(max(value, 0.0), most)


def interpolate(points: Sequence[Point], at_s: float) -> Point:
    """Interpolate the sums linearly at a time; outside the samples, return the nearest."""
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
    """Return the growth of each sum between two times."""
    first, last = interpolate(points, began_s), interpolate(points, ended_s)
    return tuple(b - a for a, b in zip(first, last))
