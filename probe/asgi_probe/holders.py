"""Finds the thread that held the GIL while the loop was blocked: the one that computed the most,
with its line and its request."""

from __future__ import annotations

import threading
from collections.abc import Mapping
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
MOST_LOOKS, DENSITY = 400, 0.1
"""Once there are MOST_LOOKS, they are thinned out: at the end of a block its holder's CPU time is
exact to 10 % of the block's length, however long that is."""


class Holder(NamedTuple):
    thread: int
    cpu_s: float
    record: RequestRecord | None
    stack: str | None


NO_HOLDER = Holder(0, 0.0, None, None)


class Snapshot(NamedTuple):
    """Total CPU seconds of each thread by its native id; and the thread that used the most since
    the previous sample: its native id, its CPU seconds in between, and its stack."""

    at_s: float
    cpu_s: Mapping[int, float]
    busiest: int
    busiest_cpu_s: float
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
        if not others_cpu_s - self._others_cpu_s > RELEVANT_CPU_S or now_s < self._next_s:
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
        busiest, used_s = find_busiest(before, cpu_s)
        stack = self._find_stack(self._idents.get(busiest, 0), reads_stacks)
        self._looks.append(Snapshot(now_s, cpu_s, busiest, used_s, stack))
        if len(self._looks) > MOST_LOOKS:
            self._looks = thin(self._looks, DENSITY, attrgetter("at_s"))

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
        """Return the thread that computed the most between two times."""
        looks = self._looks
        before = [each for each in looks if each.at_s <= began_s]
        during = [each for each in looks if each.at_s > began_s]
        if not during:
            return NO_HOLDER
        first = before[-1].cpu_s if before else during[0].cpu_s
        last = next((each for each in during if each.at_s >= ended_s), during[-1])
        thread, cpu_s = find_busiest(first, last.cpu_s)
        if cpu_s < RELEVANT_CPU_S:
            return NO_HOLDER
        cpu_s = min(cpu_s, ended_s - began_s)
        stacks: dict[str, float] = {}
        for each in during:
            if each.stack is not None and each.busiest == thread and each.at_s <= last.at_s:
                stacks[each.stack] = stacks.get(each.stack, 0.0) + each.busiest_cpu_s
        stack = max(stacks, key=stacks.__getitem__) if stacks else None
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
    """Return the thread that used the most CPU, and its seconds. A new thread began at 0. A clock
    that went back belongs to a new thread with the id of an ended one."""
    used = {}
    for thread, cpu_s in after.items():
        since_s = before.get(thread, 0.0)
        used[thread] = cpu_s - since_s if cpu_s >= since_s else cpu_s
    known = {thread: cpu_s for thread, cpu_s in used.items() if cpu_s == cpu_s}
    if not known:
        return 0, 0.0
    thread = max(known, key=known.__getitem__)
    return thread, known[thread]
