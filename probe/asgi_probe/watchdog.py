"""The one thread of a process that samples its event loops from outside, and writes the journals.
It starts with the first watched loop and ends with the last one. A sampler on the loop stops while
the loop is blocked: a 50 ms ticker logged 2 samples in 15 s, this thread hundreds."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from .attach_report import unwritten, write_reports
from .blocks import BEAT_S, MISSED_S, LoopWatch, unwatch_all
from .clocks import monotonic
from .journal import ProbeJournal
from .journal_files import remove_ended_journals
from .metrics_feed import MetricsFeed
from .probe_thread import ProbeThread
from .process_census import ProcessCensus
from .recorder import Recorder
from .session import Session, open_journal
from .settings import read_beat_s

FLUSH_EVERY_S = 0.25
STOP_S = 2.0
"""Maximum time for the last rows of a probe that stops."""
MOST_KEPT = 4
"""Closed journals that the next loop of the process continues."""


class Watchdog:
    """Samples every BEAT_S, or as configured. Sessions by folder, and one for probes without a
    folder; the lock protects which of them exist, and which loops, probes and metrics they have."""

    def __init__(self) -> None:
        self._sessions: dict[Path | None, Session] = {}
        self._kept: dict[Path | None, ProbeJournal] = {}
        self._feeds: set[MetricsFeed] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._leaving: deque[tuple[Recorder, threading.Event]] = deque()
        self._census = ProcessCensus()

    def watch(
        self, recorder: Recorder, place: tuple[Path | None, int | None], user_root: Path
    ) -> LoopWatch:
        """Record a probe's requests on the running loop. place: folder and limit of the journal;
        None as a folder means no journal. Raises OSError, such as for a folder that cannot
        be created."""
        loop = asyncio.get_running_loop()
        with self._lock:
            directory, most_bytes = place
            if directory not in self._sessions:
                self._sessions[directory] = Session(self._open_journal(directory, most_bytes))
            if self._thread is None:
                thread = ProbeThread(target=self._run, name="probe watchdog", daemon=True)
                thread.start()  # the system may refuse it
                self._thread = thread
            if recorder.feed is not None:
                self._feeds.add(recorder.feed)
            session, unwritten = self._sessions[directory], self._sessions.get(None)
            if unwritten is not None and session is not unwritten:
                session.take_over(loop, unwritten)
            return session.watch(recorder, loop, user_root)

    def _open_journal(self, directory: Path | None, most_bytes: int | None) -> ProbeJournal:
        journal = self._kept.pop(directory, None)
        if journal is not None and journal.reopen():
            return journal
        if directory is not None and most_bytes is not None:
            remove_ended_journals(directory, most_bytes)
        return open_journal(directory, most_bytes)

    def stop(self, *recorders: Recorder) -> None:
        """Write the remaining rows of some probes, or of all. Returns after STOP_S at the latest,
        even if a file system does not answer. Safe to call twice, and in a forked child."""
        deadline_s = monotonic() + STOP_S
        if not self._lock.acquire(timeout=STOP_S):
            return
        try:
            if self._thread is None:
                return
            sessions = self._sessions.values()
            known = [each for session in sessions for each in session.list_recorders()]
            events = [(each, threading.Event()) for each in known if each in (recorders or known)]
            self._leaving.extend(events)
        finally:
            self._lock.release()
        for _, written in events:
            written.wait(max(0.0, deadline_s - monotonic()))

    def is_running(self) -> bool:
        return self._thread is not None

    def forget_parent(self) -> None:
        """Start anew in a forked child: it has no thread of its parent, and its own journal."""
        for session in self._sessions.values():
            for recorder in session.list_recorders():
                session.dismiss(recorder)
                recorder.in_flight.clear()
                if recorder.feed is not None:
                    recorder.feed.forget_parent()
        unwatch_all()
        unwritten.clear()
        vars(self).update(vars(Watchdog()))

    def _run(self) -> None:
        looked_s = wrote_s = monotonic()
        beat_s, wrote = read_beat_s(), False
        while True:
            # if the last sample lost the GIL, the next one follows at once: the thread that held
            # the GIL is still at the line that took it
            nap_s = BEAT_S if self._is_doubtful() else beat_s
            if monotonic() - looked_s < MISSED_S:
                sleep(nap_s)
            due_s, looked_s = looked_s + nap_s, monotonic()
            leaving = [self._leaving.popleft() for _ in range(len(self._leaving))]
            ended = self._look(due_s, wrote=wrote)
            wrote = bool(leaving or ended or unwritten) or looked_s - wrote_s >= FLUSH_EVERY_S
            if wrote:
                wrote_s = looked_s
                self._write({each for each, _ in leaving}, ended)
                is_last = self._end_unused()
                write_reports()  # after the last loop: its thread then writes on its own
                for _, written in (*leaving, *(self._leaving if is_last else ())):
                    written.set()
                if is_last:
                    return

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Switch all probes off after an error."""
        try:
            yield
        except Exception as error:
            for session in list(self._sessions.values()):
                for recorder in session.list_recorders():
                    recorder.switch_off(error)

    def _is_doubtful(self) -> bool:
        sessions = list(self._sessions.values())
        return any(each.is_doubtful for one in sessions for each in list(one.monitors.values()))

    def _look(self, due_s: float, *, wrote: bool) -> set[asyncio.AbstractEventLoop]:
        """Take a sample of all loops; return those that have ended. Stacks are read first: a thread
        that has just released the GIL is still at the line that held it, and the census reads a
        file, during which all threads run on."""
        ended: set[asyncio.AbstractEventLoop] = set()
        sessions = list(self._sessions.values())
        for session in sessions:
            with session.guard():
                ended.update(session.find_ended(wrote=wrote))  # before their last sample
                session.look(due_s, wrote=wrote)
        monitors = [each for session in sessions for each in list(session.monitors.values())]
        with self._guard():
            self._census.update(monotonic(), {each.watch.thread for each in monitors})
        for session in sessions:
            with session.guard():
                session.take_samples(self._census)
        return ended

    def _write(self, leaving: set[Recorder], ended: set[asyncio.AbstractEventLoop]) -> None:
        for session in list(self._sessions.values()):
            with session.guard():
                session.write(is_last=bool(leaving))
        with self._lock:
            for session in self._sessions.values():
                session.end_loops(ended)
                for recorder in leaving:
                    session.dismiss(recorder)
        with self._guard():
            self._write_metrics()

    def _write_metrics(self) -> None:
        """Feed the metrics of the probes that still run, and end those of the others."""
        with self._lock:
            sessions = self._sessions.values()
            monitors = {loop: each for one in sessions for loop, each in one.monitors.items()}
            known = [each for session in sessions for each in session.list_recorders()]
            fed = [(each.feed, each) for each in known if each.feed and each.loops and not each.off]
            for loop, monitor in monitors.items():
                monitor.watch.feeds = frozenset(feed for feed, each in fed if loop in each.loops)
            feeds, self._feeds = self._feeds, {feed for feed, _ in fed}
        for feed in feeds:
            own = [each for one, each in fed if one is feed]
            loops = {loop for each in own for loop in list(each.loops)}
            samples = (monitors[each].sample_for_metrics() for each in loops if each in monitors)
            feed.write([record for each in own for record in list(each.in_flight)], samples)

    def _end_unused(self) -> bool:
        """Close the journals that no probe uses; return True if none is left."""
        with self._lock:
            for directory, session in list(self._sessions.items()):
                if not session.is_used():
                    session.close()
                    del self._sessions[directory]
                    self._keep(directory, session.journal)
            if not self._sessions and not self._feeds:
                self._thread = None
            return self._thread is None

    def _keep(self, directory: Path | None, journal: ProbeJournal) -> None:
        self._kept[directory] = journal
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]


watchdog = Watchdog()
atexit.register(watchdog.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=watchdog.forget_parent)
