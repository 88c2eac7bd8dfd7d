"""A sleep that says when it ended. The sleeper then waits for the GIL, so that its own look at the
clock would be too late."""

from __future__ import annotations

import os
from math import nan
from time import sleep

from asgi_probe.clocks import monotonic

from .run_delays import libc

STEP_S = 0.0005
"""The accuracy of the end."""
CLOCK_MONOTONIC = 1


class Alarm:
    """For one thread."""

    def __init__(self) -> None:
        self._descriptor = -1
        if libc is not None and hasattr(libc, "timerfd_create"):
            self._descriptor = libc.timerfd_create(CLOCK_MONOTONIC, 0)

    def sleep(self, seconds: float) -> float:
        """Sleep; return the time at which the thread was on a core again, NaN if it is unknown."""
        if self._descriptor < 0 or libc is None:
            sleep(seconds)
            return nan
        from ctypes import byref, c_long

        begin_s = monotonic()
        first, step = round(seconds * 1e9), round(STEP_S * 1e9)
        timer = (c_long * 4)(0, step, first // 10**9, first % 10**9)
        libc.timerfd_settime(self._descriptor, 0, byref(timer), None)
        expired = int.from_bytes(os.read(self._descriptor, 8), "little")
        return begin_s + seconds + (expired - 1) * STEP_S

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
