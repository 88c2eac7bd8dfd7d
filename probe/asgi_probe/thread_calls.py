"""Calls that a request hands to a thread of a pool, but for its endpoint: on which thread each ran,
and when. An audit records more of them (`handovers`)."""

from __future__ import annotations

import logging
import os
from threading import get_native_id
from time import monotonic
from typing import TYPE_CHECKING

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
"""Of a request so many are recorded: a stream may hand over a call for each of its pieces."""
pack = make_packer(THREAD_CALLS)
logger = logging.getLogger("probe")


class ThreadCallLog:
    """Of the process. Without a journal nothing is recorded."""

    def __init__(self) -> None:
        self.journal: ProbeJournal | None = None

    def start(self, journal: ProbeJournal) -> None:
        self.journal = journal

    def stop(self, journal: ProbeJournal | None = None) -> None:
        """Ends the recording into a journal, or any."""
        if journal is None or journal is self.journal:
            self.journal = None

    def write(self, record: RequestRecord, kind: str, asked_s: float, began_s: float) -> None:
        """Call on the thread that ran the call, when it has ended."""
        journal = self.journal
        if journal is None or record.thread_calls >= MOST_CALLS:
            return
        record.thread_calls += 1
        try:
            text = journal.intern_text(kind)
            row = pack(record.number, get_native_id(), text, asked_s, began_s, monotonic())
            journal.add("k", row)
        except Exception as error:  # whatever it is, the app must not notice
            self.stop()
            logger.error("calls on threads are no longer recorded: %r", error, exc_info=error)


log = ThreadCallLog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=log.stop)  # nobody there would write what it gathers
