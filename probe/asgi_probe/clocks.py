"""What the kernel knows of a thread: how long it ran, and how long it waited for a core.

On Linux only; elsewhere every figure is NaN. Reading a clock keeps the GIL. Reading a file lets go
of it, and a busy thread may not give it back for 5 ms and longer."""

from __future__ import annotations

import os
import sys
from math import nan
from time import clock_gettime
from typing import NamedTuple

ON_LINUX = sys.platform == "linux"
LARGEST_READ = 64


class Usage(NamedTuple):
    """Since the thread began. waited_s: in the run queue, for a core. turns: how often it ran."""

    waited_s: float
    turns: float


UNKNOWN_USAGE = Usage(nan, nan)


def read_thread_cpu_s(native_id: int) -> float:
    """CPU seconds of a thread of this process; NaN where it is gone, or this is not Linux.

    The kernel makes the clock's number from the thread's (MAKE_THREAD_CPUCLOCK in
    include/linux/posix-timers_types.h) and refuses the number of a thread that is gone, where
    pthread_getcpuclockid would read freed memory.
    """
    if not ON_LINUX:
        return nan
    try:
        return clock_gettime(~native_id << 3 | 6)
    except OSError:
        return nan


class ThreadUsage:
    """Reads /proc/self/task/TID/schedstat of one thread again and again."""

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
        except (OSError, ValueError):  # the thread is gone, or the kernel keeps no statistics
            return UNKNOWN_USAGE
        return Usage(int(waited_ns) * 1e-9, int(turns))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
