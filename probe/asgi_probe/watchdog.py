"""A thread that samples the loop from outside. A sampler on the loop stops while the loop is
blocked: a 50 ms ticker logged 2 samples in 15 s, this thread hundreds. The samples show what blocks
the loop: the route, and the innermost line of the user's code (or of a library, if a request called
it without any of the user's code)."""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from math import nan
from pathlib import Path
from time import monotonic, process_time, sleep
from types import CodeType
from typing import TYPE_CHECKING

from . import audit_logs, thread_calls
from .blocks import BEAT_S, MISSED_S, unwatch_loop, watch_loop
from .clocks import read_resident_bytes
from .executors import instrument_loop
from .journal import Columns, make_packer
from .metrics_feed import LoopSample, count_tasks
from .process_journal import open_journal
from .recorder import Recorder
from .request_record import HANDLERS, classify_thread
from .routes import find_route
from .silences import SilenceLog
from .stacks import PROBE_HOME, read_stack
from .stretches import BLOCK_STACKS, BLOCKS, Blocked, StretchLog
from .thread_calls import THREAD_CALLS

if TYPE_CHECKING:
    from anyio import CapacityLimiter

FLUSH_EVERY_S = 0.25
BLOCKED_AFTER_S = 0.1
"""Age of a heartbeat from which a sample records the blocking route and line."""
CENSUS_EVERY_S = 0.1
"""Period for classifying threads and reading memory and CPU, which also happens when the number of
threads changes. It costs 100 µs for 500 threads: the process's CPU clock visits them all."""

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
)
TABLES = {"h": HANDLERS, "s": SAMPLES, "b": BLOCKS, "c": BLOCK_STACKS, "k": THREAD_CALLS}
THREAD_KINDS = ("loop", "anyio-worker", "executor", "other")
pack = make_packer(SAMPLES)


class Watchdog:
    """Thread that samples loop, pool and process every BEAT_S, and writes the journal."""

    def __init__(self, recorder: Recorder, directory: Path | None, user_root: Path) -> None:
        self.recorder = recorder
        self.user_root = user_root
        self._journal = journal = open_journal(directory, TABLES)
        if directory is not None:
            recorder.start_journal(journal)
        self._logs = audit_logs.AuditLogs(journal, recorder) if audit_logs.is_audit() else None
        self._limiter: CapacityLimiter | None = None
        self._loop_thread = threading.get_ident()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="probe watchdog", daemon=True)
        self._census: tuple[int, ...] = (1, 0, 0, 0)
        self._census_at_s = -1.0
        self._thread_count = 0
        self._rss_bytes = self._cpu_s = nan

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call on the loop's thread."""
        self.recorder.loop_thread_id = threading.get_native_id()
        if "anyio" in sys.modules:
            from anyio.to_thread import current_default_thread_limiter

            self._limiter = current_default_thread_limiter()  # the running loop's
        self._loop = loop
        self.watch = watch_loop(loop, self.recorder)
        silences = None if self.watch.times_handles else SilenceLog(self.watch, loop)
        self._stretches = StretchLog(
            self.watch, self.recorder.loop_thread_id, self._journal, silences
        )
        if self._logs is not None:
            self._logs.start(loop, self._limiter)
        elif self.recorder.journal is not None:
            thread_calls.log.start(self._journal)
        if self.recorder.feed is not None:
            instrument_loop(loop)
        self._record_heartbeat()
        self._thread.start()

    def stop(self) -> None:
        """Write the remaining rows. Safe to call twice, and in a forked child."""
        self._stopped = True
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _record_heartbeat(self) -> None:
        self.watch.note_beat()
        if not self._stopped and not self.recorder.off:
            self._loop.call_later(BEAT_S, self._record_heartbeat)

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # the app must not be affected
            self.recorder.switch_off(error)
        finally:
            unwatch_loop(self._loop)
            if not self._stopped:  # after stop() the process may be exiting
                atexit.unregister(self.stop)
            if self.recorder.feed is not None:
                self.recorder.feed.close()
            self.recorder.journal, self.recorder.watched = None, self.recorder.off
            self._stretches.close()
            thread_calls.log.stop(self._journal)
            if self._logs is not None:
                self._logs.stop()
            self._close_journal()

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except OSError as error:  # the disk is full
            self.recorder.switch_off(error)

    def _watch(self) -> None:
        """Sample until the loop is closed: a probe on another loop starts again."""
        wrote, flushed_s = False, monotonic()
        looked_s = flushed_s
        while not self._stopped and not self.recorder.off and not self._loop.is_closed():
            # if the last sample lost the GIL, the next one follows at once: the thread that held
            # the GIL is still at the line that took it
            if monotonic() - looked_s < MISSED_S:
                sleep(BEAT_S)
            due_s, looked_s = looked_s + BEAT_S, monotonic()
            self._look(due_s, wrote=wrote)
            wrote = looked_s - flushed_s >= FLUSH_EVERY_S
            if wrote:
                self._write(is_last=False)
                flushed_s = looked_s
                if not read_stack(self._loop_thread):
                    break  # the loop's thread has ended without closing the loop
        self._look(monotonic(), wrote=wrote)  # even a short-lived process has one sample
        self._write(is_last=True)

    def _look(self, due_s: float, *, wrote: bool) -> None:
        blocked = self._stretches.look(due_s, wrote=wrote)
        self._journal.add("s", self._sample_loop(monotonic(), blocked))
        if self._logs is not None:
            self._logs.look(monotonic(), calls_wait=self._sample_pool()[2] > 0)

    def _write(self, *, is_last: bool) -> None:
        if self.recorder.journal is not None:
            self.recorder.write_snapshot(self._journal, is_last=is_last)
        if self.recorder.feed is not None:
            age_s, tasks = monotonic() - self.watch.beat_at_s, count_tasks(self._loop)
            sample = LoopSample(age_s, tasks, *self._sample_pool())
            self.recorder.feed.write(list(self.recorder.in_flight), sample)
        self._stretches.write_open()
        if self._logs is not None:
            self._logs.write()
        self._journal.flush()

    def _sample_loop(self, now_s: float, blocked: Blocked | None) -> bytes:
        age_s = now_s - self.watch.beat_at_s
        route, site = None, None
        if blocked is not None and age_s > BLOCKED_AFTER_S:
            route = find_route(blocked.record.scope) if blocked.record else None
            site = find_site(blocked, self.user_root)
        census_is_due = now_s - self._census_at_s > CENSUS_EVERY_S
        if census_is_due or self._thread_count != threading.active_count():
            self._count_threads(now_s)
        return pack(
            now_s,
            age_s,
            len(self.recorder.in_flight),
            *self._census,
            *self._sample_pool(),
            self._rss_bytes,
            self._cpu_s,
            self._journal.intern_text(route),
            self._journal.intern_text(site),
        )

    def _sample_pool(self) -> tuple[float, float, float]:
        if self._limiter is None:
            return nan, nan, nan
        total, borrowed = self._limiter.total_tokens, self._limiter.borrowed_tokens
        if borrowed < total:  # statistics() costs more than the rest of the sample
            return total, borrowed, 0.0
        return total, borrowed, self._limiter.statistics().tasks_waiting

    def _count_threads(self, now_s: float) -> None:
        """Count live threads by kind, except this one."""
        self._census_at_s = now_s
        threads = threading.enumerate()
        self._thread_count = len(threads)
        kinds = [
            "loop" if thread.ident == self._loop_thread else classify_thread(thread.name)
            for thread in threads
            if thread is not self._thread
        ]
        self._census = tuple(map(kinds.count, THREAD_KINDS))
        self._rss_bytes, self._cpu_s = read_resident_bytes(), process_time()


def find_site(blocked: Blocked, user_root: Path) -> str | None:
    """Return "file:line function" of the user's innermost line. In a request without any (such as a
    server's logging), return "module function" of the innermost line."""
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
    if "site-packages" in path:
        return None
    try:
        near = Path(path).relative_to(user_root)
    except ValueError:
        return None
    return f"{near}:{line} {code.co_name}"
