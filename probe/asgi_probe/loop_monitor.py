"""Samples of one event loop: its heartbeat, its thread pool, and what blocks it. The samples show
the route, and the innermost line of the user's code (or of a library, if a request called it
without any of the user's code)."""

from __future__ import annotations

import asyncio
import sys
from math import nan
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

from .blocks import BEAT_S, unwatch_loop, watch_loop
from .clocks import monotonic
from .function_source import is_library
from .journal import Columns, ProbeJournal, make_packer
from .metrics_feed import LoopSample, count_tasks
from .process_census import ProcessCensus
from .routes import intern_route
from .settings import stacks_are_on
from .silences import SilenceLog
from .stacks import PROBE_HOME, has_ended, is_own_work
from .stretches import Blocked, StretchLog

if TYPE_CHECKING:
    from anyio import CapacityLimiter

BLOCKED_AFTER_S = 0.1
"""Age of a heartbeat from which a sample records the blocking route and line."""
UNUSED_S = 1.0
"""A loop that has not run for so long is no longer watched, until it serves the next request."""

SAMPLES: Columns = (
    ("at_s", "f8"),
    ("heartbeat_age_s", "f8"),
    ("in_flight", "u4"),
    ("threads_loop", "u4"),
    ("threads_anyio_worker", "u4"),
    ("threads_executor", "u4"),
    ("threads_other", "u4"),
    ("pool_total", "f8"),
    ("pool_borrowed", "f8"),
    ("pool_waiting", "f8"),
    ("rss_bytes", "f8"),
    ("cpu_s", "f8"),
    ("blocked_route", "text"),
    ("blocked_frame", "text"),
    ("loop_thread", "u4"),
)
"""loop_thread: the native id; a process may run several loops."""
pack = make_packer(SAMPLES)


class LoopMonitor:
    """One watched loop. Call all but the constructor on the watchdog's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, journal: ProbeJournal, user_root: Path
    ) -> None:
        """Call on the loop's thread."""
        self._loop = loop
        self._journal = journal
        self._user_root = user_root
        self.limiter = find_limiter()
        stacks = stacks_are_on()
        self.watch = watch_loop(loop, stacks=stacks)
        self._stretches = None
        self._blocked: Blocked | None = None
        self._looked_s, self._age_s = monotonic(), 0.0
        if stacks:
            silences = None if self.watch.times_handles else SilenceLog(self.watch, loop)
            self._stretches = StretchLog(self.watch, journal, silences)
        self._ran_at_s = monotonic()
        self._is_closed = False
        self._beat()

    def _beat(self) -> None:
        self.watch.note_beat()
        if not self._is_closed:
            self._loop.call_later(self.watch.beat_s, self._beat)

    def write_to(self, journal: ProbeJournal) -> None:
        """Continue in another journal. Call on any thread."""
        self._journal = journal
        if self._stretches is not None:
            self._stretches.journal = journal

    def look(self, due_s: float, *, wrote: bool) -> None:
        """Find what blocks the loop. The look was due at due_s. wrote: the watchdog has written
        since the last one."""
        self._looked_s = monotonic()
        self._age_s = self._measure_age(self._looked_s)
        if self._stretches is not None:
            self._blocked = self._stretches.look(due_s, wrote=wrote)

    def take_sample(self, census: ProcessCensus, in_flight: int) -> None:
        """Write what the last look found."""
        self._journal.add("s", self._pack_sample(census, in_flight))

    def has_ended(self, *, checks_thread: bool) -> bool:
        """Return True for a closed or unused loop, and if its thread has ended."""
        if self._loop.is_running():
            self._ran_at_s = monotonic()
        elif self._loop.is_closed() or monotonic() - self._ran_at_s > UNUSED_S:
            return True
        return checks_thread and has_ended(self.watch.thread)

    @property
    def is_doubtful(self) -> bool:
        return self._stretches is not None and self._stretches.is_doubtful

    def write_open(self) -> None:
        if self._stretches is not None:
            self._stretches.write_open()

    def close(self) -> None:
        self._is_closed = True
        unwatch_loop(self._loop)
        if self._stretches is not None:
            self._stretches.close()

    def _pack_sample(self, census: ProcessCensus, in_flight: int) -> bytes:
        route, site, blocked = 0, None, self._blocked
        if blocked is not None and self._age_s > BLOCKED_AFTER_S:
            route = intern_route(blocked.record.scope, self._journal) if blocked.record else 0
            site = find_site(blocked, self._user_root)
        return pack(
            self._looked_s,
            self._age_s,
            in_flight,
            *census.kinds,
            *self.sample_pool(),
            census.rss_bytes,
            census.cpu_s,
            route,
            self._journal.intern_text(site),
            self.watch.native_id,
        )

    def _measure_age(self, now_s: float) -> float:
        """Return the heartbeat's age; readers expect a heartbeat every BEAT_S."""
        return max(0.0, now_s - self.watch.beat_at_s - (self.watch.beat_s - BEAT_S))

    def sample_for_metrics(self) -> LoopSample:
        age_s = self._measure_age(monotonic())
        return LoopSample(age_s, count_tasks(self._loop), *self.sample_pool())

    def sample_pool(self) -> tuple[float, float, float]:
        """Return anyio's tokens: in total, borrowed, and the calls that wait; NaN without anyio."""
        if self.limiter is None:
            return nan, nan, nan
        total, borrowed = self.limiter.total_tokens, self.limiter.borrowed_tokens
        if borrowed < total:  # statistics() costs more than the rest of the sample
            return total, borrowed, 0.0
        return total, borrowed, self.limiter.statistics().tasks_waiting


def find_limiter() -> CapacityLimiter | None:
    """Return anyio's default limiter of the running loop; None if the app does not use anyio."""
    if "anyio" not in sys.modules:
        return None
    from anyio.to_thread import current_default_thread_limiter

    return current_default_thread_limiter()


def find_site(blocked: Blocked, user_root: Path) -> str | None:
    """Return "file:line function" of the user's innermost line. In a request without any (such as a
    server's logging), return "module function" of the innermost line. The probe's own work has
    none."""
    if any(is_own_work(code) for code, _, _ in blocked.stack):
        return None
    for code, line, _ in blocked.stack:
        if code.co_filename.startswith(PROBE_HOME):
            break
        site = format_user_line(code, line, user_root)
        if site is not None:
            return site
    if blocked.record is None or not blocked.stack:
        return None
    code, _, names = blocked.stack[0]
    return f"{names.get('__name__')} {code.co_name}"


def format_user_line(code: CodeType, line: int | None, user_root: Path) -> str | None:
    path = code.co_filename
    if is_library(path):
        return None
    try:
        near = Path(path).relative_to(user_root)
    except ValueError:
        return None
    return f"{near}:{line} {code.co_name}"
