"""What one process knows of its requests: the ones in flight, and the rows to be written."""

from __future__ import annotations

import logging
from inspect import iscoroutinefunction
from itertools import count
from math import isnan
from time import monotonic

from .journal import ProbeJournal, make_packer
from .request_record import HANDLERS, RequestRecord, Scope, find_route, parse_request_id

log = logging.getLogger("probe")
pack = make_packer(HANDLERS)


class Recorder:
    """`record_arrival` and `record_departure` run on the loop for every request, so they do
    little. A request that has left is packed at once: holding on to its scope would keep some 200
    objects alive until the next flush, and the garbage collector would walk them all."""

    def __init__(self) -> None:
        self.off = False
        self.in_flight: dict[RequestRecord, None] = {}
        self.loop_thread_id = 0
        self.journal: ProbeJournal | None = None
        self._numbers = count(1)
        self._awaited: dict[object, bool] = {}

    def record_arrival(self, scope: Scope) -> RequestRecord:
        record = RequestRecord(next(self._numbers), scope, monotonic())
        self.in_flight[record] = None
        return record

    def record_departure(self, record: RequestRecord) -> None:
        del self.in_flight[record]
        if self.journal is not None and not self.off:
            try:
                self.journal.add("h", self.pack_row(record, self.journal))
            except Exception as error:  # whatever it is, the app must not notice
                self.switch_off(error)

    def switch_off(self, error: BaseException) -> None:
        """An instrument that breaks is taken out; the app goes on without it."""
        if not self.off:
            self.off = True
            log.error("the probe is switched off: %r", error, exc_info=error)

    def write_snapshot(self, journal: ProbeJournal) -> None:
        """Writes rows of unfinished requests, where there is something new. Of the rows with
        one number the one that knows the most counts; it need not come last, because requests
        leave while this looks at them."""
        for record in list(self.in_flight):
            known = 1 + (not isnan(record.queued_s)) + (not isnan(record.started_s))
            if known > record.known:
                record.known = known
                journal.add("h", self.pack_row(record, journal))

    def pack_row(self, record: RequestRecord, journal: ProbeJournal) -> bytes:
        scope = record.scope
        started_s, thread_id, kind = record.started_s, record.thread_id, record.thread_kind
        if kind is None and self.is_awaited(scope.get("endpoint")):
            started_s, thread_id, kind = record.arrived_s, self.loop_thread_id, "loop"
        return pack(
            record.number,
            parse_request_id(scope),
            journal.intern_text(find_route(scope)),
            record.arrived_s,
            record.queued_s,
            started_s,
            record.ended_s,
            record.sent_s,
            record.pool_wait_s,
            thread_id,
            journal.intern_text(kind),
            record.status,
        )

    def is_awaited(self, endpoint: object) -> bool:
        """True for a coroutine endpoint: it runs on the loop. Unknown endpoints are not guessed."""
        if endpoint is None:
            return False
        known = self._awaited.get(endpoint)
        if known is None:
            known = self._awaited[endpoint] = iscoroutinefunction(endpoint)
        return known
