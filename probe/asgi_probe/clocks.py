"""The kernel's account of a thread: its CPU time, and its wait for a core. And of the process: its
memory.

Linux only; NaN elsewhere. Reading a clock keeps the GIL. Reading a file releases it, and a busy
thread may then hold it for 5 ms or longer."""

from __future__ import annotations

import os
import sys
from math import nan
from time import clock_gettime
from typing import NamedTuple

ON_LINUX = sys.platform == "linux"
LARGEST_READ = 64
PAGE_BYTES = os.sysconf("SC_PAGESIZE")


class Usage(NamedTuple):
    """Totals since the thread began. waited_s: seconds in the run queue. turns: times scheduled."""

    waited_s: float
    turns: float


UNKNOWN_USAGE = Usage(nan, nan)


def read_thread_cpu_s(native_id: int) -> float:
    """Return the CPU seconds of a thread of this process; NaN if it has ended, or off Linux.

    The kernel derives the clock id from the thread id (MAKE_THREAD_CPUCLOCK in
    include/linux/posix-timers_types.h) and rejects the id of an ended thread;
    pthread_getcpuclockid would read freed memory.
    """
    if not ON_LINUX:
        return nan
    try:
        return clock_gettime(~native_id << 3 | 6)
    except OSError:
        return nan


class ThreadUsage:
    """Reader of one thread's /proc/self/task/TID/schedstat; the file stays open."""

    def __init__(self, native_id: int) -> None:
        self._descriptor = -1
        if ON_LINUX:
            try:
                self._descriptor = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY)
            except OSError:
                return

    def read(self) -> Usage:
        if self._descriptor < 0:
            return UNKNOWN_USAGE
        try:
            _, waited_ns, turns = os.pread(self._descriptor, LARGEST_READ, 0).split()
        except (OSError, ValueError):  # the thread has ended, or the kernel keeps no statistics
            return UNKNOWN_USAGE
        return Usage(int(waited_ns) * 1e-9, int(turns))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


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
