"""Settings of the probe in a process's environment. A service sets them without a change of code.

ASGI_PROBE_STACKS             0: do not time what runs on the loop, and read no stacks
ASGI_PROBE_MAX_JOURNAL_BYTES  limit of the files that one process writes, in bytes
"""

from __future__ import annotations

import logging
import os

STACKS_VARIABLE = "ASGI_PROBE_STACKS"
BYTES_VARIABLE = "ASGI_PROBE_MAX_JOURNAL_BYTES"
log = logging.getLogger("probe")


def stacks_are_on() -> bool:
    return os.environ.get(STACKS_VARIABLE) != "0"


def read_journal_limit() -> int | None:
    """Return the limit in bytes; None without one."""
    text = os.environ.get(BYTES_VARIABLE)
    if not text:
        return None
    if text.isdecimal():
        return int(text)
    log.warning("%s=%s is not a number of bytes: the journal has no limit", BYTES_VARIABLE, text)
    return None
