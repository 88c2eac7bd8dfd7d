"""Logs that the probe writes in audits only: in a study they would add cost to each request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from . import handovers, made
from .attach_report import DIRECTORY_VARIABLE
from .executors import instrument_loop
from .journal import Columns, ProbeJournal
from .layers import LAYERS
from .limiters import instrument_limiters
from .recorder import Recorder
from .thread_stacks import THREAD_STACKS, ThreadStackLog

TABLES: dict[str, Columns] = {
    "w": handovers.HANDOVERS,
    "t": THREAD_STACKS,
    "l": LAYERS,
    "m": made.MADE,
}


def is_audit() -> bool:
    return DIRECTORY_VARIABLE in os.environ


class AuditLogs:
    """Audit logs of one process. Call `look`, `write` and `stop` on the watchdog's thread."""

    def __init__(self, journal: ProbeJournal, list_recorders: Callable[[], list[Recorder]]) -> None:
        self._journal = journal
        self._threads = ThreadStackLog(journal, list_recorders)
        self._made = made.open_log(journal)

    def start(self, loop: asyncio.AbstractEventLoop, default_limiter: object) -> None:
        """Call on the loop's thread. default_limiter: anyio's; None without anyio."""
        instrument_limiters()
        instrument_loop(loop)
        handovers.log.start(self._journal, loop, default_limiter)

    def look(self, now_s: float, *, calls_wait: bool) -> None:
        self._threads.look(now_s, calls_wait=calls_wait)

    def write(self) -> None:
        """Write what is known so far about unfinished calls, and the threads that have ended."""
        handovers.log.write_open()
        self._made.write_ended()

    def stop(self) -> None:
        handovers.log.stop(self._journal)
        made.close_log(self._made)
