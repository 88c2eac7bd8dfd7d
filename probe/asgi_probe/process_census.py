"""Threads, memory and CPU of the process, for the watchdog's samples."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from math import inf, nan
from time import process_time

from .request_record import classify_thread, work_spans

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
CENSUS_EVERY_S = 0.1
"""Period for classifying threads and reading memory and CPU, which also happens when the number of
threads or the loops change. It costs 100 µs for 500 threads: the process's CPU clock visits all."""
THREAD_KINDS = ("loop", "anyio-worker", "executor", "other")


class ProcessCensus:
    """The latest census; all loops of the process share it. kinds: live threads by THREAD_KINDS,
    except the watchdog's."""

    def __init__(self) -> None:
        self.kinds: tuple[int, ...] = (1, 0, 0, 0)
        self.rss_bytes = self.cpu_s = nan
        self._at_s = -1.0
        self._seen: tuple[Collection[int], int] = (), 0

    def update(self, now_s: float, loop_threads: Collection[int]) -> None:
        """Call on the watchdog's thread. loop_threads: idents."""
        seen = loop_threads, threading.active_count()
        if now_s - self._at_s <= CENSUS_EVERY_S and self._seen == seen:
            return
        self._at_s, self._seen = now_s, seen
        threads, own = threading.enumerate(), threading.get_ident()
        kinds = [
            "loop" if thread.ident in loop_threads else classify_thread(thread)
            for thread in threads
            if thread.ident != own
        ]
        self.kinds = tuple(map(kinds.count, THREAD_KINDS))
        self.rss_bytes, self.cpu_s = read_resident_bytes(), process_time()
        forget_ended_threads({thread.ident for thread in threads})


def forget_ended_threads(alive: Collection[int | None]) -> None:
    """Drop the last calls of ended threads, which keep their requests' records alive."""
    if len(work_spans) > len(alive):
        for ident in list(work_spans):
            span = work_spans.get(ident)
            if ident not in alive and span is not None and span.ended_s < inf:
                work_spans.pop(ident, None)


def read_resident_bytes() -> float:
    """Return the resident memory of this process; NaN without /proc."""
    try:
        # a file object takes five times as long
        file = os.open("/proc/self/statm", os.O_RDONLY)
        try:
            return int(os.read(file, 100).split()[1]) * PAGE_BYTES
        finally:
            os.close(file)
    except OSError:
        return nan
