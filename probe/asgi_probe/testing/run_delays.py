"""Reads of the kernel's account that keep the GIL. `os.pread` would release it, and a loop's thread
that reads would then wait for it: that is part of what is measured here."""

from __future__ import annotations

import threading
from collections.abc import Container
from math import nan
from typing import TYPE_CHECKING

from asgi_probe.clocks import ON_LINUX, ThreadUsage

if TYPE_CHECKING:
    import ctypes

LARGEST_READ = 64
MOST_THREADS = 64
"""More threads are not read."""


def load_libc() -> ctypes.PyDLL | None:
    """Return the C library, whose calls keep the GIL; None off Linux, or without ctypes."""
    if not ON_LINUX:
        return None
    try:
        from ctypes import PyDLL, c_int, c_int64, c_size_t, c_void_p

        libc = PyDLL(None)
        libc.pread.argtypes = (c_int, c_void_p, c_size_t, c_int64)
    except (ImportError, OSError, AttributeError):
        return None
    return libc


libc = load_libc()


def count_own_waits() -> float:
    """Return how often the calling thread has given up its core to wait for something; NaN off
    Linux."""
    if not ON_LINUX:
        return nan
    from resource import RUSAGE_THREAD, getrusage

    return getrusage(RUSAGE_THREAD).ru_nvcsw


class RunDelays:
    """The run delays of this process's threads. Not for several threads at once."""

    def __init__(self) -> None:
        self._usages: dict[int, ThreadUsage] = {}
        if libc is not None:
            from ctypes import create_string_buffer

            self._buffer = create_string_buffer(LARGEST_READ)

    def read(self, native_id: int) -> float:
        """Return the seconds that a thread has waited for a core since it began; NaN if the kernel
        keeps no account of it."""
        usage = self._usages.get(native_id)
        if usage is None:
            usage = self._usages[native_id] = ThreadUsage(native_id)
        if libc is None:
            return usage.read().waited_s
        size = libc.pread(usage.descriptor, self._buffer, LARGEST_READ, 0)
        found = self._buffer.raw[: max(0, size)].split()
        if len(found) != 3:  # the thread has ended
            self._usages.pop(native_id).close()
            return nan
        return int(found[1]) * 1e-9

    def read_others(self, known: Container[int]) -> dict[int, float]:
        """Return the run delay of each thread that is not known, by its native id."""
        ids = [each.native_id for each in threading.enumerate() if each.native_id]
        others = [each for each in ids if each not in known][:MOST_THREADS]
        ended = self._usages.keys() - set(ids)
        for each in ended:
            self._usages.pop(each).close()
        delays = {each: self.read(each) for each in others}
        return {each: delay_s for each, delay_s in delays.items() if delay_s == delay_s}

    def close(self) -> None:
        for usage in self._usages.values():
            usage.close()
        self._usages.clear()
