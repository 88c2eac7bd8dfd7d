"""What blocks a loop that does not tell which handle it runs (uvloop), from outside: the heartbeat
is overdue, and the same task, or the same function, has been on the loop's thread look after look.

While the heartbeat is overdue the loop has not gone round once, and in one round a task takes one
step: a task that two looks have seen is in one and the same step. Moments are right within a beat.
What one look alone has seen is never said to have blocked the loop, nor is what runs at the end of
a time in which the watchdog could not look, unless the loop's own thread computed all the while."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextvars import Context
from math import nan
from types import CodeType

from .blocks import BEAT_S, BLOCKED_AFTER_S, MISSED_S, Ended, LoopWatch, Running
from .request_record import RequestRecord, current
from .stacks import SeenFrame

OVERDUE_S = 0.003
"""A heartbeat that comes this much late is no accident of the timer."""
TELLS_CONTEXT = sys.version_info >= (3, 12)


class SilenceLog:
    """Of the watchdog's own thread."""

    def __init__(self, watch: LoopWatch, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = watch
        self._loop = loop
        self._base: CodeType | None = None
        self._running: Running | None = None
        self._what: object = None
        self._last_look_s = self._last_seen_s = self._beat_at_s = 0.0
        loop.call_soon(self._note_base)

    def _note_base(self) -> None:
        """In a plain callback, below which there is only what runs the loop."""
        outer = sys._getframe().f_back
        self._base = None if outer is None else outer.f_code

    def look(
        self, now_s: float, timed: Running | None, stack: Sequence[SeenFrame], *, busy: bool
    ) -> Running | None:
        """What runs: the timed step, if one does; otherwise what has been seen for long.

        busy: the loop's thread has computed since the look before. Where that was long ago, it had
        the GIL all the time and has just let go of it for the first time, so that what is seen now
        is what ran.
        """
        beat_at_s, seen_until_s = self._watch.beat_at_s, self._last_look_s
        began_before, self._last_look_s = self._beat_at_s == beat_at_s, now_s
        silent = is_silent(self._watch, now_s)
        if silent:
            self._beat_at_s = beat_at_s
        if timed is not None or not silent:
            self.end(beat_at_s if timed is None else timed.began_s)
            return timed
        what = self._identify(stack)
        if what is None or what is not self._what:
            began_s = beat_at_s + BEAT_S / 2  # if this is the first look since the beat
            if began_before:
                began_s = (now_s + seen_until_s) / 2
            self.end(began_s)
            if now_s - seen_until_s > MISSED_S:
                began_s = max(seen_until_s, beat_at_s + BEAT_S / 2) if busy else now_s
            self._what = what
            self._running = None if what is None else Running(began_s, None, timed=False)
        self._last_seen_s = now_s
        return None if self._running is None else self._running._replace(record=find_record(what))

    def end(self, at_s: float) -> None:
        """What was running ran no longer than until then, nor much longer than it was seen."""
        running, self._running = self._running, None
        if running is None:
            return
        at_s = min(at_s, self._last_seen_s + BEAT_S)
        what, self._what = self._what, None
        if at_s - running.began_s >= BLOCKED_AFTER_S:
            record = find_record(what)
            self._watch.ended.append(Ended(running.began_s, at_s, nan, record, timed=False))

    def _identify(self, stack: Sequence[SeenFrame]) -> object:
        """The task, or of a callback its outermost code; None between two handles."""
        task = asyncio.current_task(self._loop)
        if task is not None:
            return task
        codes = [code for code, _, _ in stack]
        at = codes.index(self._base) if self._base in codes else 0
        return codes[at - 1] if at else None


def is_silent(watch: LoopWatch, now_s: float) -> bool:
    return now_s - watch.beat_at_s >= BEAT_S + OVERDUE_S


def find_record(what: object) -> RequestRecord | None:
    """Of the task's context; on Python before 3.12 it cannot be asked for."""
    if not TELLS_CONTEXT or not isinstance(what, asyncio.Task):
        return None
    context: Context = vars(asyncio.Task)["get_context"](what)
    return context.get(current)
