"""Settings of the probe in a process's environment. A service sets them without a change of code.

ASGI_PROBE_STACKS             0: do not time what runs on the loop, and read no stacks
ASGI_PROBE_BEAT_MS            period of heartbeat and samples, 10 to 1000: default 10, or 50 without
                              stacks. While something blocks the loop, samples are 10 ms apart.
ASGI_PROBE_MAX_JOURNAL_BYTES  limit of the files that one process writes, in bytes
"""

from __future__ import annotations

import logging
import os

STACKS_VARIABLE = "ASGI_PROBE_STACKS"
BEAT_VARIABLE = "ASGI_PROBE_BEAT_MS"
BYTES_VARIABLE = "ASGI_PROBE_MAX_JOURNAL_BYTES"
MOST_DIGITS = 18
log = logging.getLogger("probe")


def stacks_are_on() -> bool:
    return os.environ.get(STACKS_VARIABLE) != "0"


def read_beat_s() -> float:
    beat_ms = read_number(BEAT_VARIABLE) or (10 if stacks_are_on() else 50)
    return min(max(beat_ms, 10), 1000) / 1000


def read_journal_limit() -> int | None:
    """Return the limit in bytes; None without one."""
    return read_number(BYTES_VARIABLE)


def read_number(variable: str) -> int | None:
    """Return a positive integer; None if it is not set, or anything else."""
    text = os.environ.get(variable, "")
    if text.isdecimal() and len(text) <= MOST_DIGITS and int(text):
        return int(text)
    if text:
        log.warning("the probe ignores %s=%s, which is not a positive integer", variable, text)
    return None
