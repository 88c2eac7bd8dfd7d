"""A thread that looks at the loop from outside: a sampler on the loop goes blind just when
the loop is blocked (a 50 ms ticker logged 2 samples in 15 s where this logs hundreds). It finds
what blocks the loop: the route, and the innermost line of the user's own code, or of a library
that a request called with none of the user's code in between."""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from math import nan
from pathlib import Path
from time import monotonic, process_time, sleep
from types import CodeType
from typing import TYPE_CHECKING

from . import audit_logs, thread_calls
from .blocks import BEAT_S, MISSED_S, unwatch_loop, watch_loop
from .journal import Columns, ProbeJournal, make_packer
from .recorder import Recorder
from .request_record import HANDLERS, classify_thread
from .routes import find_route
from .silences import SilenceLog
from .stacks import PROBE_HOME, read_stack
from .stretches import BLOCK_STACKS, BLOCKS, Blocked, StretchLog
from .thread_calls import THREAD_CALLS

if TYPE_CHECKING:
    from anyio import CapacityLimiter

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
FLUSH_EVERY_S = 0.25
BLOCKED_AFTER_S = 0.1
"""A heartbeat older than this gets the loop thread's stack read."""
CENSUS_EVERY_S = 0.1
"""Threads are classified, and memory and CPU are read, this often, or as soon as the number of
threads changes: for 500 threads that is 100 µs, and a clock of the process's CPU asks them all."""

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
    """Samples loop, pool and process every BEAT_S from its own thread, and writes the journal."""

    def __init__(self, recorder: Recorder, directory: Path, user_root: Path) -> None:
        self.recorder = recorder
        self.user_root = user_root
        journal = ProbeJournal(
            directory / f"probe-{os.getpid()}-{monotonic():.3f}.journal",
            {**TABLES, **audit_logs.TABLES} if audit_logs.is_audit() else TABLES,
            {"pid": os.getpid(), "beat_us": round(BEAT_S * 1e6)},
        )
        self._journal = journal
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
        """Call on the loop's own thread."""
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
        else:
            thread_calls.log.start(self._journal)
        self._record_heartbeat()
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left. Safe to call twice, and in a process that was forked off."""
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
        except Exception as error:  # whatever it is, the app must not notice
            self.recorder.switch_off(error)
        finally:
            unwatch_loop(self._loop)
            if not self._stopped:  # otherwise the process may be ending just now
                atexit.unregister(self.stop)
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
        """Until the loop is closed: a probe that is used on another one begins anew."""
        wrote, flushed_s = False, monotonic()
        looked_s = flushed_s
        while not self._stopped and not self.recorder.off and not self._loop.is_closed():
            # where the GIL was lost in the middle of a look, the next one follows at once: the
            # thread that had it is still at the line that took it
            if monotonic() - looked_s < MISSED_S:
                sleep(BEAT_S)
            due_s, looked_s = looked_s + BEAT_S, monotonic()
            self._look(due_s, wrote=wrote)
            wrote = looked_s - flushed_s >= FLUSH_EVERY_S
            if wrote:
                self._write(is_last=False)
                flushed_s = looked_s
                if not read_stack(self._loop_thread):
                    break  # its loop was never closed
        self._look(monotonic(), wrote=wrote)  # however short the life
        self._write(is_last=True)

    def _look(self, due_s: float, *, wrote: bool) -> None:
        blocked = self._stretches.look(due_s, wrote=wrote)
        self._journal.add("s", self._sample_loop(monotonic(), blocked))
        if self._logs is not None:
            self._logs.look(monotonic(), calls_wait=self._sample_pool()[2] > 0)

    def _write(self, *, is_last: bool) -> None:
        self.recorder.write_snapshot(self._journal, is_last=is_last)
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
        if borrowed < total:  # asking who waits costs more than all the rest
            return total, borrowed, 0.0
        return total, borrowed, self._limiter.statistics().tasks_waiting

    def _count_threads(self, now_s: float) -> None:
        """Live threads by kind, this one left out."""
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


def read_resident_bytes() -> float:
    """Resident memory of this process; NaN where there is no /proc."""
    try:
        # a file object would take five times as long
        file = os.open("/proc/self/statm", os.O_RDONLY)
        try:
            return int(os.read(file, 100).split()[1]) * PAGE_BYTES
        finally:
            os.close(file)
    except OSError:
        return nan


def find_site(blocked: Blocked, user_root: Path) -> str | None:
    """ "file:line function" of the innermost line of the user's code. Inside a request, but outside
    the user's code (a server that writes its log), "module function" of the innermost line."""
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
