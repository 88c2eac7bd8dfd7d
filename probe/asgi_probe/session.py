"""What one process writes to one folder: a journal for all probes and loops that use the folder.
Probes without a folder share a session without a journal."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import audit_logs, thread_calls
from .blocks import BEAT_S, LoopWatch, watches
from .clocks import monotonic
from .executors import instrument_loop
from .journal import Columns, NoJournal, ProbeJournal
from .layer_links import record_layers
from .loop_monitor import SAMPLES, LoopMonitor
from .process_census import ProcessCensus
from .recorder import Recorder
from .request_record import HANDLERS
from .settings import stacks_are_on
from .stretches import BLOCK_STACKS, BLOCKS
from .thread_calls import THREAD_CALLS

TABLES = {"h": HANDLERS, "s": SAMPLES, "k": THREAD_CALLS}
OF_STACKS = {"b": BLOCKS, "c": BLOCK_STACKS}


def open_journal(directory: Path | None, most_bytes: int | None) -> ProbeJournal:
    if directory is None:
        return NoJournal()
    directory.mkdir(parents=True, exist_ok=True)
    return ProbeJournal(
        directory / f"probe-{os.getpid()}-{monotonic():.6f}.journal",
        list_tables(),
        {"pid": os.getpid(), "beat_us": round(BEAT_S * 1e6)},
        most_bytes,
    )


def list_tables() -> dict[str, Columns]:
    """Return the columns of what this process records; the header of its journal names no other."""
    stacks = OF_STACKS if stacks_are_on() else {}
    return {**TABLES, **stacks, **(audit_logs.TABLES if audit_logs.is_audit() else {})}


class Session:
    """Call all methods but `watch` on the watchdog's thread. The watchdog's lock protects `watch`
    and `end_loop`."""

    def __init__(self, journal: ProbeJournal) -> None:
        self.journal = journal
        self.monitors: dict[asyncio.AbstractEventLoop, LoopMonitor] = {}
        self._recorders: list[weakref.ref[Recorder]] = []
        self._has_failed = False
        """A probe that has left was switched off."""
        self._logs: audit_logs.AuditLogs | None = None
        if audit_logs.is_audit():
            self._logs = audit_logs.AuditLogs(journal, self.list_recorders)

    def list_recorders(self) -> list[Recorder]:
        """Return the probes' recorders; a probe that its app has dropped is not among them."""
        found = (each() for each in list(self._recorders))
        return [each for each in found if each is not None]

    def watch(
        self, recorder: Recorder, loop: asyncio.AbstractEventLoop, user_root: Path
    ) -> LoopWatch:
        """Record a probe's requests on a loop. Call on the loop's thread. The samples of a loop
        are in the journal of the first probe there."""
        watch = watches.get(loop)
        if watch is None:
            monitor = LoopMonitor(loop, self.journal, user_root)
            watch = monitor.watch
            self._add(loop, monitor)
        if recorder not in self.list_recorders():
            recorder.start_journal(self.journal)
            self._recorders = [each for each in self._recorders if each() is not None]
            self._recorders.append(weakref.ref(recorder))
            if self._logs is not None:
                record_layers(recorder)
        if recorder.feed is not None:
            instrument_loop(loop)
            watch.feeds |= {recorder.feed}
        recorder.loops[loop] = watch
        return watch

    def take_over(self, loop: asyncio.AbstractEventLoop, other: Session) -> None:
        """Write the samples of a loop from now on that a session without a journal watches. Call
        on the loop's thread, with the watchdog's lock."""
        monitor = other.monitors.pop(loop, None)
        if monitor is not None:
            monitor.write_to(self.journal)
            self._add(loop, monitor)

    def _add(self, loop: asyncio.AbstractEventLoop, monitor: LoopMonitor) -> None:
        self.monitors[loop] = monitor
        if self._logs is not None:
            self._logs.start(loop, monitor.limiter)
        elif not isinstance(self.journal, NoJournal):
            thread_calls.log.start(self.journal)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Switch the probes off after an error, such as a full disk: it must not affect the app."""
        try:
            yield
        except Exception as error:
            for recorder in self.list_recorders():
                recorder.switch_off(error)

    def look(self, due_s: float, *, wrote: bool) -> None:
        """Find what blocks each loop. due_s: when the first look was due."""
        began_s = monotonic()
        for monitor in list(self.monitors.values()):
            monitor.look(due_s + monotonic() - began_s, wrote=wrote)

    def take_samples(self, census: ProcessCensus) -> None:
        """Take a sample of each loop, after `look`."""
        in_flight = sum(len(each.in_flight) for each in self.list_recorders())
        calls_wait = False
        for monitor in list(self.monitors.values()):
            monitor.take_sample(census, in_flight)
            calls_wait = calls_wait or monitor.sample_pool()[2] > 0
        if self._logs is not None:
            self._logs.look(monotonic(), calls_wait=calls_wait)

    def write(self, *, is_last: bool = False) -> None:
        for recorder in self.list_recorders():
            if recorder.journal is not None:
                recorder.write_snapshot(recorder.journal, is_last=is_last)
        for monitor in list(self.monitors.values()):
            monitor.write_open()
        if self._logs is not None:
            self._logs.write()
        self.journal.flush()

    def find_ended(self, *, wrote: bool) -> list[asyncio.AbstractEventLoop]:
        """Return the loops that have ended, and, after a write, those that no probe uses."""
        ended = [
            loop
            for loop, monitor in list(self.monitors.items())
            if monitor.has_ended(checks_thread=wrote)
        ]
        if wrote:
            used = {loop for each in self.list_recorders() for loop in list(each.loops)}
            ended += [each for each in list(self.monitors) if each not in used]
        return ended

    def end_loops(self, loops: Iterable[asyncio.AbstractEventLoop]) -> None:
        for loop in loops:
            monitor = self.monitors.pop(loop, None)
            if monitor is not None:
                monitor.close()
            for recorder in self.list_recorders():
                recorder.loops.pop(loop, None)

    def is_used(self) -> bool:
        return any(each.loops and not each.off for each in self.list_recorders())

    def dismiss(self, recorder: Recorder) -> None:
        """Forget a probe that has stopped; it may start again."""
        if recorder in self.list_recorders():
            self._recorders = [each for each in self._recorders if each() is not recorder]
            self._has_failed = self._has_failed or recorder.off
            recorder.loops.clear()
            recorder.journal = None

    def close(self) -> None:
        """Write the last rows and close the journal. Does not raise."""
        self.end_loops(list(self.monitors))
        recorders = self.list_recorders()
        thread_calls.log.stop(self.journal)
        if self._logs is not None:
            self._logs.stop()
        has_failed = self._has_failed or any(each.off for each in recorders)
        with self.guard():
            self.journal.close(in_order=not has_failed)
        for recorder in recorders:
            self.dismiss(recorder)
