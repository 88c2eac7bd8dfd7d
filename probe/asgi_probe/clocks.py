"""The probe's clocks, and the kernel's account of a thread: its CPU time, and its wait for a core.

The account is Linux only; NaN elsewhere. Reading a clock keeps the GIL. Reading a file releases it,
and a busy thread may then hold it for 5 ms or longer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from math import nan
from time import clock_gettime
from types import ModuleType
from typing import NamedTuple

from .own_descriptor import OwnFile


def load_own_time() -> ModuleType:
    """Return a second copy of the module `time`. A test that freezes the time replaces the clocks
    of the first one by identity, in each module that has imported them; these are other objects,
    and as fast."""
    spec = find_spec("time")
    if spec is None or spec.loader is None:
        raise ImportError("no module `time`")
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


own_time = load_own_time()
monotonic: Callable[[], float] = own_time.monotonic
time: Callable[[], float] = own_time.time
ON_LINUX = sys.platform == "linux"
LARGEST_READ = 64


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
        self.descriptor = -1
        self._file: OwnFile | None = None
        if ON_LINUX:
            try:
                number = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY)
            except OSError:
                return
            self.descriptor, self._file = number, OwnFile(number)

    def read(self) -> Usage:
        if self.descriptor < 0:
            return UNKNOWN_USAGE
        try:
            _, waited_ns, turns = map(int, os.pread(self.descriptor, LARGEST_READ, 0).split())
        except (OSError, ValueError):  # the thread has ended, or the kernel keeps no statistics
            return UNKNOWN_USAGE
        return Usage(waited_ns * 1e-9, turns)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self.descriptor = -1
