"""Calls offloaded to a thread pool, and tokens taken without a thread: when each was requested,
waited and ran. Recorded in audits only."""

from __future__ import annotations

import logging
import os
import sys
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from itertools import count
from math import isnan, nan
from threading import get_ident, get_native_id
from time import thread_time
from types import CodeType, FrameType

from .clocks import monotonic
from .journal import STACK, Columns, ProbeJournal, make_packer
from .request_record import RequestRecord
from .stacks import MOST_FRAMES, SeenFrame, StackTexts
from .work_names import Given, describe_work

HANDOVERS: Columns = (
    ("handover", "u4"),
    ("visit", "u4"),
    ("queue", "text"),
    ("capacity", "f8"),
    ("asked_s", "f8"),
    ("queued_s", "f8"),
    ("granted_s", "f8"),
    ("began_s", "f8"),
    ("ended_s", "f8"),
    ("thread_id", "u4"),
    ("cpu_s", "f8"),
    ("work", "text"),
    ("asker", "text"),
    ("failed", "u2"),
)
"""Times are time.monotonic() in seconds, NaN if not known yet; see records/rows.py."""
MOST_OPEN = 5_000
"""Maximum of unfinished calls that are written before they end."""
MOST_ASKERS = 4_000
ENDS_OF_ITERATION = ("StopIteration", "_StopIteration", "StopAsyncIteration")
pack = make_packer(HANDOVERS)
logger = logging.getLogger("probe")


class Handover:
    """One offloaded call, filled in first on the loop and then on its thread."""

    queued_s = granted_s = began_s = ended_s = cpu_s = capacity = nan
    thread_cpu_s = 0.0
    """The thread's CPU time when the call began."""
    thread_id = 0
    failed = False
    known = 0  # count_moments() in the last row written
    call: tuple[Callable[..., object], Given] | None = None
    """Function and arguments; None after the call, so that no object of the app stays alive."""
    work: str | None = None

    def __init__(self, number: int, journal: ProbeJournal, visit: int, queue: str) -> None:
        self.number = number
        self.journal = journal
        self.visit = visit
        self.queue = queue
        self.asker: str | None = None
        self.asked_s = monotonic()

    def count_moments(self) -> int:
        """Count the known times, except the end."""
        return 4 - isnan(self.queued_s) - isnan(self.granted_s) - isnan(self.began_s)

    def pack_row(self) -> bytes:
        intern, call = self.journal.intern_text, self.call
        if call is not None:
            self.work = describe_work(*call)
        return pack(
            self.number,
            self.visit,
            intern(self.queue),
            self.capacity,
            self.asked_s,
            self.queued_s,
            self.granted_s,
            self.began_s,
            self.ended_s,
            self.thread_id,
            self.cpu_s,
            intern(self.work),
            intern(self.asker, STACK),
            self.failed,
        )


class HandoverLog:
    """Offloaded calls of the process. The journal is None outside an audit: nothing is recorded."""

    def __init__(self) -> None:
        self.journal: ProbeJournal | None = None
        self.loop: AbstractEventLoop | None = None
        self.default_limiter: object = None
        """anyio's default limiter on the loop."""
        self.open: dict[Handover, None] = {}
        self.running: dict[int, Handover] = {}
        """The call that each thread runs now, by the thread's ident."""
        self._numbers = count(1)
        self._askers = AskerTexts()

    def start(
        self, journal: ProbeJournal, loop: AbstractEventLoop, default_limiter: object
    ) -> None:
        self.loop, self.default_limiter = loop, default_limiter
        self._askers.find_runner()
        self.journal = journal

    def stop(self, journal: ProbeJournal | None = None) -> None:
        """Stop recording into the given journal; None means any."""
        if journal is None or journal is self.journal:
            self.journal = self.loop = self.default_limiter = None
            self.open.clear()

    def ask(self, record: RequestRecord | None, queue: str, depth: int = 1) -> Handover | None:
        """Record a new offloaded call; None outside an audit. depth: frames between the code that
        requests the call and the caller of this method."""
        journal = self.journal
        if journal is None:
            return None
        visit = 0 if record is None else record.number
        handover = Handover(next(self._numbers), journal, visit, queue)
        try:
            handover.asker = self._askers.read(sys._getframe(depth + 1))
        except RecursionError:  # the app is at its limit; this call is left out
            return None
        except Exception as error:  # the app must not be affected
            self.break_off(error)
            return None
        if len(self.open) < MOST_OPEN:
            self.open[handover] = None
        return handover

    def begin(self, handover: Handover) -> None:
        """Call on the thread that runs the call, at its start."""
        handover.thread_id = get_native_id()
        self.running[get_ident()] = handover
        handover.began_s = monotonic()
        handover.thread_cpu_s = thread_time()

    def end(self, handover: Handover) -> None:
        """Call on the same thread, at the call's end."""
        handover.cpu_s = thread_time() - handover.thread_cpu_s
        self.running.pop(get_ident(), None)
        self.close(handover)

    def give_up(self, handover: Handover) -> None:
        """Close a call that will not run: it was cancelled or refused while it waited."""
        handover.failed = True
        self.close(handover)

    def close(self, handover: Handover) -> None:
        handover.ended_s = monotonic()
        self.open.pop(handover, None)
        self.write(handover)
        handover.call = None

    def write(self, handover: Handover) -> None:
        if handover.journal is not self.journal:
            return
        try:
            handover.journal.add("w", handover.pack_row())
        except Exception as error:  # the app must not be affected
            self.break_off(error)

    def break_off(self, error: BaseException) -> None:
        self.stop()
        logger.error("offloaded calls are no longer recorded: %r", error, exc_info=error)

    def write_open(self) -> None:
        """Write the unfinished calls that have new times. Call on the thread that flushes."""
        for handover in list(self.open):
            known = handover.count_moments()
            if known > handover.known:
                handover.known = known
                self.write(handover)
                if handover not in self.open:  # it ended meanwhile; the last row must have its end
                    self.write(handover)


class AskerTexts:
    """Texts of the stacks that request a call, read on their own thread. A known stack costs one
    walk over its frames."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[str | None, list[CodeType]]] = {}
        self._texts = StackTexts()
        self._runner: CodeType | None = None

    def find_runner(self) -> None:
        """Find the function that runs the loop's handles; the frames outside it are the loop's."""
        self._runner = getattr(events.Handle._run, "__code__", None)

    def read(self, frame: FrameType | None) -> str | None:
        first, runner = frame, self._runner
        steps: list[int] = []
        add = steps.append
        for _ in range(MOST_FRAMES):
            if frame is None or frame.f_code is runner:
                break
            add(id(frame.f_code))
            add(frame.f_lasti)
            frame = frame.f_back
        key = tuple(steps)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_ASKERS:
                self._known.clear()
            stack = list_frames(first)
            # keeps the code objects alive: the key has their ids, which could be reused
            known = self._known[key] = (
                self._texts.format_stack(stack),
                [code for code, _, _ in stack],
            )
        return known[0]


def list_frames(frame: FrameType | None) -> list[SeenFrame]:
    found: list[SeenFrame] = []
    while frame is not None and len(found) < MOST_FRAMES:
        found.append((frame.f_code, frame.f_lineno, frame.f_globals))
        frame = frame.f_back
    return found


log = HandoverLog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=log.stop)  # a child has no watchdog that writes the rows
