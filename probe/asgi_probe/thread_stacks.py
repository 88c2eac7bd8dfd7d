"""Where all threads of the pools stand, and the loop's where it waits for one of them, while calls
wait for a thread, or a request is old: read by the watchdog, at a modest rate."""

from __future__ import annotations

import threading
from itertools import chain
from math import inf
from typing import NamedTuple

from .handovers import log
from .journal import Columns, ProbeJournal, make_packer
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
"""A request that is older gets the threads' stacks read."""
PAIR_S, FIRST_GAP_S, MOST_GAP_S, LONGER = 0.3, 0.3, 2.0, 1.5
"""Seconds between two looks: of a pair, then up to the next pair, which is longer each time while
the reason lasts. Two looks tell who stands still."""
OVER_S = 1.0
"""A reason that was away for longer is a new one."""
ROWS_PER_S, MOST_ROWS = 200, 50_000
POOL_KINDS = ("anyio-worker", "executor")
pack = make_packer(THREAD_STACKS)


class Work(NamedTuple):
    """The hand-over and the request that a thread works for; 0 is none."""

    handover: int
    visit: int


NO_WORK = Work(0, 0)


class Standing(NamedTuple):
    """A thread at one place. waits_for: known from the second look on."""

    stack: str | None
    work: Work
    waits_for: str | None
    looks: int


class ThreadStackLog:
    """Of one process. For the watchdog's own thread."""

    def __init__(self, journal: ProbeJournal, recorder: Recorder) -> None:
        self._journal = journal
        self._recorder = recorder
        self._stacks = StackTexts()
        self._standing: dict[int, Standing] = {}
        self._reason_at_s = -inf
        self._next_s = -inf
        self._gap_s = FIRST_GAP_S
        self._is_first_of_pair = True
        self._rows = 0

    def look(self, now_s: float, *, calls_wait: bool) -> None:
        """calls_wait: for a thread of a pool."""
        if not (calls_wait or self._has_old_request(now_s)) or self._rows >= MOST_ROWS:
            return
        if now_s - self._reason_at_s > OVER_S:
            self._gap_s, self._is_first_of_pair = FIRST_GAP_S, True
        self._reason_at_s = now_s
        if now_s < self._next_s:
            return
        count = self._read_threads(now_s)
        self._rows += count
        if self._is_first_of_pair:
            self._next_s = now_s + PAIR_S
        else:
            self._next_s = now_s + max(self._gap_s, 2 * count / ROWS_PER_S)
            self._gap_s = min(MOST_GAP_S, self._gap_s * LONGER)
        self._is_first_of_pair = not self._is_first_of_pair

    def _has_old_request(self, now_s: float) -> bool:
        """Requests are in the order of their arrival. The loop's thread changes the dictionary: it
        must be asked in one call into C."""
        oldest = next(chain.from_iterable((self._recorder.in_flight,)), None)
        return oldest is not None and now_s - oldest.arrived_s > OLD_S

    def _read_threads(self, now_s: float) -> int:
        """Returns how many stood somewhere."""
        own = threading.get_ident()
        before, self._standing = self._standing, {}
        for thread in threading.enumerate():
            ident, native = thread.ident, thread.native_id
            if not ident or not native or ident == own:
                continue
            is_loop, work = native == self._recorder.loop_thread_id, find_work(ident)
            if work == NO_WORK and not is_loop and classify_thread(thread.name) not in POOL_KINDS:
                continue
            standing = self._read_thread(ident, work, before.get(ident))
            if standing is None or find_work(ident) != work:  # it has gone on meanwhile
                continue
            self._standing[ident] = standing
            if not is_loop or standing.waits_for is not None:  # an idle loop waits for its sockets
                self._write(now_s, native, standing)
        return len(self._standing)

    def _read_thread(self, ident: int, work: Work, before: Standing | None) -> Standing | None:
        """None of one that waits for its next call."""
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
        texts = intern(standing.stack), intern(standing.waits_for)
        self._journal.add("t", pack(now_s, native, *standing.work, *texts))


def find_work(ident: int) -> Work:
    """Of a thread."""
    handover = log.running.get(ident)
    if handover is not None:
        return Work(handover.number, handover.visit)
    span = work_spans.get(ident)
    return NO_WORK if span is None or span.ended_s < inf else Work(0, span.record.number)
