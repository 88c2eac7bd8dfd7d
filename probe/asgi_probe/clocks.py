"""What the kernel knows of a thread: how long it ran, and how long it waited for a core.

On Linux only; elsewhere every figure is NaN. No call here lets go of the GIL where `ctypes` is
there: the watchdog looks a hundred times a second, and each time that it lets go it waits for up
to 5 ms until a busy thread gives the GIL back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
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
            _, waited_ns, turns = read_start(self._descriptor).split()
        except (OSError, ValueError):  # the thread is gone, or the kernel keeps no statistics
            return UNKNOWN_USAGE
        return Usage(int(waited_ns) * 1e-9, int(turns))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def choose_reader() -> Callable[[int], bytes]:
    """Of a file's first bytes, by its descriptor; by ctypes, which does not let go of the GIL."""
    try:
        from ctypes import PyDLL, c_char_p, c_int, c_long, c_size_t, create_string_buffer

        pread = PyDLL(None).pread
        pread.argtypes, pread.restype = (c_int, c_char_p, c_size_t, c_long), c_long
    except (ImportError, OSError, AttributeError):
        return lambda descriptor: os.pread(descriptor, LARGEST_READ, 0)

    def read(descriptor: int) -> bytes:
        content = create_string_buffer(LARGEST_READ)
        length: int = pread(descriptor, content, LARGEST_READ, 0)
        return content.raw[: max(0, length)]

    return read


read_start = choose_reader()
