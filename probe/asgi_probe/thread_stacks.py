"""Stacks of all pool threads, and of the loop's thread if it waits for one of them. The watchdog
reads them at a low rate while calls wait for a thread, or while a request is old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import chain
from math import inf
from typing import NamedTuple

from .handovers import log
from .journal import STACK, Columns, ProbeJournal, make_packer
from .recorder import Recorder
from .request_record import classify_thread, work_spans
from .stacks import StackTexts, read_stack
from .waits import describe_wait, is_idle

THREAD_STACKS: Columns = (
    ("at_s", "f8"),
    ("thread_id", "u4"),
    ("handover", "u4"),
    ("visit", "u4"),
    ("stack", "text"),
    ("waits_for", "text"),
)
OLD_S = 1.0
"""Age of a request, in seconds, from which the threads' stacks are read."""
PAIR_S, FIRST_GAP_S, MOST_GAP_S, LONGER = 0.3, 0.3, 2.0, 1.5
"""Seconds between the two samples of a pair; seconds until the next pair, first and at most; and
the factor by which that gap grows while the reason lasts. A pair shows which threads are stuck."""
OVER_S = 1.0
"""A reason that returns after more than this many seconds is a new one."""
ROWS_PER_S, ROWS_PER_HOUR, HOUR_S = 200, 50_000, 3600.0
"""Rows on average, at most; those of an hour may be written as soon as ROWS_PER_S allows, so the
first hour may have twice as many."""
POOL_KINDS = ("anyio-worker", "executor")
pack = make_packer(THREAD_STACKS)


class Work(NamedTuple):
    """The offloaded call and the request that a thread works for; 0 means none."""

    handover: int
    visit: int


NO_WORK = Work(0, 0)


class Standing(NamedTuple):
    """A thread at one place. waits_for: known from the second sample on."""

    stack: str | None
    work: Work
    waits_for: str | None
    looks: int


class ThreadStackLog:
    """Stacks of one process's threads; for the watchdog's thread."""

    def __init__(self, journal: ProbeJournal, list_recorders: Callable[[], list[Recorder]]) -> None:
        self._journal = journal
        self._list_recorders = list_recorders
        self._stacks = StackTexts()
        self._standing: dict[int, Standing] = {}
        self._reason_at_s = -inf
        self._next_s = -inf
        self._gap_s = FIRST_GAP_S
        self._is_first_of_pair = True
        self._used_s = -inf
        """Rows are used up until this time: each one takes its part of an hour."""

    def look(self, now_s: float, *, calls_wait: bool) -> None:
        """Read the stacks if a sample is due. calls_wait: calls wait for a pool thread."""
        if not (calls_wait or self._has_old_request(now_s)):
            return
        if now_s - self._reason_at_s > OVER_S:
            self._gap_s, self._is_first_of_pair = FIRST_GAP_S, True
        self._reason_at_s = now_s
        if now_s < self._next_s or (self._is_first_of_pair and now_s < self._used_s):
            return
        count = self._read_threads(now_s)
        self._used_s = max(self._used_s, now_s - HOUR_S) + count * HOUR_S / ROWS_PER_HOUR
        if self._is_first_of_pair:
            self._next_s = now_s + PAIR_S
        else:
            self._next_s = now_s + max(self._gap_s, 2 * count / ROWS_PER_S)
            self._gap_s = min(MOST_GAP_S, self._gap_s * LONGER)
        self._is_first_of_pair = not self._is_first_of_pair

    def _has_old_request(self, now_s: float) -> bool:
        """Return True if a probe's oldest request is older than OLD_S. Requests are in order of
        arrival. The loop's thread changes the dictionary, so one call into C must read it."""
        oldest = [
            next(chain.from_iterable((each.in_flight,)), None) for each in self._list_recorders()
        ]
        return any(each is not None and now_s - each.arrived_s > OLD_S for each in oldest)

    def _read_threads(self, now_s: float) -> int:
        """Read all threads; return the number of rows written."""
        own, count = threading.get_ident(), 0
        before, self._standing = self._standing, {}
        watches = [each for one in self._list_recorders() for each in list(one.loops.values())]
        loop_threads = {each.native_id for each in watches}
        for thread in threading.enumerate():
            ident, native = thread.ident, thread.native_id
            if not ident or not native or ident == own:
                continue
            is_loop, work = native in loop_threads, find_work(ident)
            if work == NO_WORK and not is_loop and classify_thread(thread) not in POOL_KINDS:
                continue
            standing = self._read_thread(ident, work, before.get(ident))
            if standing is None or find_work(ident) != work:  # idle, or moved on meanwhile
                continue
            self._standing[ident] = standing
            if not is_loop or standing.waits_for is not None:  # an idle loop waits for its sockets
                self._write(now_s, native, standing)
                count += 1
        return count

    def _read_thread(self, ident: int, work: Work, before: Standing | None) -> Standing | None:
        """Return a thread's place; None for a thread that waits for its next call."""
        stack = read_stack(ident)
        if not stack or is_idle(stack):
            return None
        text = self._stacks.format_stack(stack)
        if before is None or before.stack != text or before.work != work or text is None:
            return Standing(text, work, None, 1)
        waits_for = describe_wait(ident, stack) if before.looks == 1 else before.waits_for
        return Standing(text, work, waits_for, before.looks + 1)

    def _write(self, now_s: float, native: int, standing: Standing) -> None:
        intern = self._journal.intern_text
        texts = intern(standing.stack, STACK), intern(standing.waits_for)
        self._journal.add("t", pack(now_s, native, *standing.work, *texts))


def find_work(ident: int) -> Work:
    """Return what a thread works for."""
    handover = log.running.get(ident)
    if handover is not None:
        return Work(handover.number, handover.visit)
    span = work_spans.get(ident)
    return NO_WORK if span is None or span.ended_s < inf else Work(0, span.record.number)
