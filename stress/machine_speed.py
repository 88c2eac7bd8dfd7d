"""How fast a core of this machine is just now."""

import time
from statistics import median

from scenarios.units import Second

REFERENCE_TURNS = 40_000
REFERENCE_TIMES = 15
"""Together some 30 ms of CPU."""


def time_reference_work() -> Second:
    """CPU seconds of a fixed piece of Python, the median of some: how fast a core of this machine
    is just now. On a shared machine that changes by a factor of two within a minute, and no figure
    of the system shows it."""
    return median(time_turns() for _ in range(REFERENCE_TIMES))


def time_turns() -> Second:
    begin_s, total = time.thread_time(), 0
    for turn in range(REFERENCE_TURNS):
        total += turn & 7
    return time.thread_time() - begin_s
