"""Finds the thread that held the GIL while the loop was blocked: the one that computed the most,
with its line and its request."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from math import inf
from operator import attrgetter
from typing import NamedTuple

from .blocks import LoopWatch
from .clocks import read_thread_cpu_s
from .counters import thin
from .request_record import RequestRecord, work_spans
from .stacks import read_stack

RELEVANT_CPU_S = 0.001
PER_THREAD_S = 0.00025
"""Pause per thread between two reads. Reading a thread's clock takes 1 µs, so that reading all
takes at most 0.4 % of a core, for any number of threads."""
MOST_LOOKS, NEWEST, DENSITY = 600, 200, 0.1
"""Once there are MOST_LOOKS, all but the NEWEST are thinned out: at the end of a block its holder's
CPU time is exact to 10 % of the block's length, however long that is. Of a day 420 are left."""
MOST_SPAN = 1.5


class Holder(NamedTuple):
    thread: int
    cpu_s: float
    record: RequestRecord | None
    stack: str | None


NO_HOLDER = Holder(0, 0.0, None, None)


class Snapshot(NamedTuple):
    """cpu_s: total CPU seconds of each thread by its native id; they did not grow until until_s.
    busiest: the native id of the thread that used the most since the previous sample, with its
    stack."""

    at_s: float
    until_s: float
    cpu_s: Mapping[int, float]
    busiest: int
    stack: str | None


class HolderLog:
    """CPU samples of all threads except the loop's and the watchdog's, which reads them."""

    def __init__(self, watch: LoopWatch) -> None:
        self._watch = watch
        self._looks: list[Snapshot] = []
        self._idents: dict[int, int] = {}
        self._others_cpu_s = -inf  # so that the first sample makes the first snapshot
        self._next_s = 0.0

    def read(self, now_s: float, others_cpu_s: float, *, reads_stacks: bool) -> None:
        """Take a snapshot if another thread has computed since the last one. others_cpu_s: total
        CPU of all other threads. reads_stacks: read the busiest thread's stack too."""
        if not others_cpu_s - self._others_cpu_s > RELEVANT_CPU_S:
            self._looks[-1:] = [each._replace(until_s=now_s) for each in self._looks[-1:]]
            return
        if now_s < self._next_s:
            return
        self._others_cpu_s = others_cpu_s
        own = threading.get_ident()
        self._idents = {
            each.native_id: each.ident
            for each in threading.enumerate()
            if each.native_id and each.ident and each.ident not in (own, self._watch.thread)
        }
        self._next_s = now_s + PER_THREAD_S * len(self._idents)
        cpu_s = {native: read_thread_cpu_s(native) for native in self._idents}
        before = self._looks[-1].cpu_s if self._looks else cpu_s
        busiest, _ = find_busiest(before, cpu_s)
        stack = self._find_stack(self._idents.get(busiest, 0), reads_stacks)
        self._looks.append(Snapshot(now_s, now_s, cpu_s, busiest, stack))
        if len(self._looks) > MOST_LOOKS:
            self._looks[:-NEWEST] = thin(self._looks[:-NEWEST], DENSITY, attrgetter("at_s"))

    def _find_stack(self, ident: int, reads_stacks: bool) -> str | None:
        """Return a thread's stack; None if its call has ended: it is elsewhere by now."""
        since_s = self._looks[-1].at_s if self._looks else 0.0
        noted_s, others = self._watch.others
        if noted_s > since_s and others.get(ident):
            return others[ident]
        work = work_spans.get(ident)
        if work is not None and work.ended_s < inf:
            return None
        return self._watch.stacks.format_stack(read_stack(ident) if reads_stacks else ())

    def find_holder(self, began_s: float, ended_s: float) -> Holder:
        """Return the thread that computed the most between two times; NO_HOLDER if it may have
        computed at other times: looks that were thinned out are too far apart for a short block."""
        earlier = sum(each.at_s <= began_s for each in self._looks)
        looks = self._looks[max(0, earlier - 1) :]
        if not looks:
            return NO_HOLDER
        first, last = looks[0], next((each for each in looks if each.until_s >= ended_s), looks[-1])
        span_s = max(ended_s, last.at_s) - min(began_s, first.until_s)
        if len(looks) > NEWEST and span_s > MOST_SPAN * (ended_s - began_s):
            return NO_HOLDER
        thread, cpu_s = find_busiest(first.cpu_s, last.cpu_s)
        if cpu_s < RELEVANT_CPU_S:
            return NO_HOLDER
        cpu_s = min(cpu_s, ended_s - began_s)
        stack = find_main_stack([each for each in looks if each.at_s <= last.at_s], thread)
        record = self._find_request(thread, began_s, ended_s, cpu_s)
        return Holder(thread, cpu_s, record, stack)

    def _find_request(
        self, thread: int, began_s: float, ended_s: float, cpu_s: float
    ) -> RequestRecord | None:
        """Return the request whose call overlaps by more than half of the thread's CPU time."""
        work = work_spans.get(self._idents.get(thread, 0))
        while work is not None:
            if min(ended_s, work.ended_s) - max(began_s, work.began_s) > cpu_s / 2:
                return work.record
            work = work.before
        return None


def find_busiest(before: Mapping[int, float], after: Mapping[int, float]) -> tuple[int, float]:
    """Return the thread that used the most CPU, and its seconds."""
    used = {thread: measure_growth(before, after, thread) for thread in after}
    known = {thread: cpu_s for thread, cpu_s in used.items() if cpu_s == cpu_s}
    if not known:
        return 0, 0.0
    thread = max(known, key=known.__getitem__)
    return thread, known[thread]


def measure_growth(before: Mapping[int, float], after: Mapping[int, float], thread: int) -> float:
    """Return a thread's CPU seconds between two looks. A new thread began at 0. A clock that went
    back belongs to a new thread with the id of an ended one."""
    since_s, cpu_s = before.get(thread, 0.0), after[thread]
    return cpu_s - since_s if cpu_s >= since_s else cpu_s


def find_main_stack(looks: Sequence[Snapshot], thread: int) -> str | None:
    """Return the stack in which a thread computed the most. Each look stands for all time since the
    one before it, also for that of looks that were thinned out."""
    stacks: dict[str, float] = {}
    for before, each in zip(looks, looks[1:]):
        if each.stack is not None and each.busiest == thread:
            cpu_s = measure_growth(before.cpu_s, each.cpu_s, thread)
            stacks[each.stack] = stacks.get(each.stack, 0.0) + cpu_s
    return max(stacks, key=stacks.__getitem__) if stacks else None
