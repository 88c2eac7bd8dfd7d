"""The true duration of a route's work, by the app's own clock, in a file that the audit does not
read. CORPUS_TIMES names that file; each process appends its number to the name. The file is mapped,
so that recording a time calls nothing that a detector of blocking calls could report."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, thread_time

WAY_S, LEAST_S = 0.05, 0.001
SIZE = 1 << 22
"""About 80,000 entries: an hour of work that takes tens of milliseconds each."""


class Times:
    """Lines of `label began_s seconds cpu_s`, then zeros. Without a path, nothing is recorded."""

    def __init__(self, path: str | None) -> None:
        self._lock = threading.Lock()
        self._end = 0
        self._map: mmap.mmap | None = None
        if path:
            with Path(f"{path}.{os.getpid()}").open("w+b") as file:
                file.truncate(SIZE)
                self._map = mmap.mmap(file.fileno(), SIZE)

    def note(self, label: str, began_s: float, cpu_began_s: float) -> None:
        """End the work, in the thread that began it, by time.monotonic and thread_time."""
        if self._map is None:
            return
        seconds, cpu_s = monotonic() - began_s, thread_time() - cpu_began_s
        line = f"{label} {began_s:.6f} {seconds:.6f} {cpu_s:.6f}\n".encode()
        with self._lock:
            self._map[self._end : self._end + len(line)] = line
            self._end += len(line)


TIMES = Times(os.environ.get("CORPUS_TIMES"))


@contextmanager
def measure(label: str) -> Iterator[None]:
    """Record how long the body takes, even if it raises."""
    began_s, cpu_began_s = monotonic(), thread_time()
    try:
        yield
    finally:
        TIMES.note(label, began_s, cpu_began_s)


def note_wait(label: str, asked_s: float) -> None:
    """Record that what was requested at that time.monotonic() is available now. A short time may be
    a wait, or only the switch to a free thread over a busy loop, so it has its own label."""
    waited_s = monotonic() - asked_s
    if waited_s >= LEAST_S:
        TIMES.note(label if waited_s >= WAY_S else f"{label}-briefly", asked_s, thread_time())


def note_run(label: str) -> None:
    """Record that the labelled code has run; its duration does not matter."""
    TIMES.note(label, monotonic(), thread_time())
