"""A request's offloaded calls, except its endpoint: the thread and the times of each. An audit
records more about them (`handovers`)."""

from __future__ import annotations

import logging
import os
from threading import get_native_id
from typing import TYPE_CHECKING

from .clocks import monotonic
from .journal import Columns, ProbeJournal, make_packer

if TYPE_CHECKING:
    from .request_record import RequestRecord

THREAD_CALLS: Columns = (
    ("visit", "u4"),
    ("thread_id", "u4"),
    ("thread_kind", "text"),
    ("asked_s", "f8"),
    ("began_s", "f8"),
    ("ended_s", "f8"),
)
"""Times are time.monotonic() in seconds."""
MOST_CALLS = 8
"""Maximum of recorded calls per request: a stream may offload one call per piece."""
pack = make_packer(THREAD_CALLS)
logger = logging.getLogger("probe")


class ThreadCallLog:
    """Offloaded calls of the process. Without a journal nothing is recorded."""

    def __init__(self) -> None:
        self.journal: ProbeJournal | None = None

    def start(self, journal: ProbeJournal) -> None:
        self.journal = journal

    def stop(self, journal: ProbeJournal | None = None) -> None:
        """Stop recording into the given journal; None means any."""
        if journal is None or journal is self.journal:
            self.journal = None

    def write(self, record: RequestRecord, kind: str, asked_s: float, began_s: float) -> None:
        """Write an ended call. Call on the thread that ran it."""
        journal = self.journal
        if journal is None or record.thread_calls >= MOST_CALLS:
            return
        record.thread_calls += 1
        try:
            text = journal.intern_text(kind)
            row = pack(record.number, get_native_id(), text, asked_s, began_s, monotonic())
            journal.add("k", row)
        except Exception as error:  # the app must not be affected
            self.stop()
            logger.error("calls in threads are no longer recorded: %r", error, exc_info=error)


log = ThreadCallLog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=log.stop)  # a child has no watchdog that writes the rows
