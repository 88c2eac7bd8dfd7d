"""Finds what blocks a loop whose handles cannot be timed (uvloop), from samples: the heartbeat is
overdue, and consecutive samples show the same task or function on the loop's thread.

While the heartbeat is overdue, the loop has not finished one iteration, in which a task takes at
most one step. So two samples of the same task show the same step. Times are accurate to one beat.
One sample alone is never reported as a block. Neither is the code after a gap between samples,
unless the loop's thread computed during the whole gap."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Sequence
from contextvars import Context
from math import nan
from types import CodeType

from .blocks import BEAT_S, BLOCKED_AFTER_S, MISSED_S, Ended, LoopWatch, Running
from .request_record import RequestRecord, current
from .stacks import SeenFrame

OVERDUE_S = 0.003
"""Beyond this delay of the heartbeat, in seconds, timer jitter is not the cause."""
HAS_CONTEXT = hasattr(asyncio.Task, "get_context")


class SilenceLog:
    """Blocks of one loop as sampled; for the watchdog's thread."""

    def __init__(self, watch: LoopWatch, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = watch
        self._loop = loop
        self._base: CodeType | None = None
        self._running: Running | None = None
        self._what: object = None
        self._last_look_s = self._last_seen_s = self._beat_at_s = 0.0
        loop.call_soon(self._note_base)

    def _note_base(self) -> None:
        """Record the code that runs the loop: the frame outside this plain callback."""
        outer = sys._getframe().f_back
        self._base = None if outer is None else outer.f_code

    def look(
        self, now_s: float, timed: Running | None, stack: Sequence[SeenFrame], *, busy: bool
    ) -> Running | None:
        """Return what runs: the timed step if there is one, otherwise what the samples show.

        busy: this sample is late, and the loop's thread has computed since the previous one. After
        a long gap it has held the GIL throughout and released it just now, so that this sample
        shows what ran.
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
            first_s = beat_at_s + self._watch.beat_s / 2
            began_s = first_s  # if this is the first sample since the beat
            if began_before:
                began_s = (now_s + seen_until_s) / 2
            self.end(began_s)
            if now_s - seen_until_s > MISSED_S:
                began_s = max(seen_until_s, first_s) if busy else now_s
            self._what = what
            self._running = None if what is None else Running(began_s, None, timed=False)
        self._last_seen_s = now_s
        return None if self._running is None else self._running._replace(record=find_record(what))

    def end(self, at_s: float) -> None:
        """End the running block at at_s, or one beat after its last sample if that is earlier."""
        running, self._running = self._running, None
        if running is None:
            return
        at_s = min(at_s, self._last_seen_s + BEAT_S)
        what, self._what = self._what, None
        if at_s - running.began_s >= BLOCKED_AFTER_S:
            record = find_record(what)
            self._watch.ended.append(Ended(running.began_s, at_s, nan, record, timed=False))

    def _identify(self, stack: Sequence[SeenFrame]) -> object:
        """Return the task, or a callback's outermost code; None between two handles."""
        task = asyncio.current_task(self._loop)
        if task is not None:
            return task
        codes = [code for code, _, _ in stack]
        at = codes.index(self._base) if self._base in codes else 0
        return codes[at - 1] if at else None


def is_silent(watch: LoopWatch, now_s: float) -> bool:
    return now_s - watch.beat_at_s >= watch.beat_s + OVERDUE_S


def find_record(what: object) -> RequestRecord | None:
    """Return the request of a task's context. Python 3.12 has a method for that context; before, it
    is the first one that the task refers to (TaskObj_traverse in Modules/_asynciomodule.c)."""
    if not isinstance(what, asyncio.Task):
        return None
    if HAS_CONTEXT:
        context: Context | None = vars(asyncio.Task)["get_context"](what)
    else:
        referred = gc.get_referents(what)
        context = next((each for each in referred if isinstance(each, Context)), None)
    return None if context is None else context.get(current)
