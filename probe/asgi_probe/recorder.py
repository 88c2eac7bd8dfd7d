"""What one process knows of its requests: the ones in flight, and the rows to be written."""

from __future__ import annotations

import logging
from itertools import count
from math import isnan
from time import monotonic

from .journal import ProbeJournal, make_packer
from .request_record import HANDLERS, RequestRecord, parse_request_id
from .routes import EndpointFacts, Scope, describe_endpoint, find_route

log = logging.getLogger("probe")
pack = make_packer(HANDLERS)
UNKNOWN_ENDPOINT = EndpointFacts(None, False, None)
MOST_ENDPOINTS = 1_000
"""An app that makes its endpoints anew for each request would fill the memory."""
numbers = count(1)
"""Of all requests of the process: a task may carry a request that another probe has seen."""


class Recorder:
    """`record_arrival` and `record_departure` run on the loop for every request, so they do
    little. A request that has left is packed at once: holding on to its scope would keep some 200
    objects alive until the next flush, and the garbage collector would walk them all."""

    def __init__(self) -> None:
        self.off = False
        self.in_flight: dict[RequestRecord, None] = {}
        self.loop_thread_id = 0
        self.journal: ProbeJournal | None = None
        self.departed: RequestRecord | None = None
        """The last request that left: at the end of its last handle no context carries it."""
        self.watched = False
        """Whether a watchdog runs, or has been tried in vain."""
        self._endpoints: dict[tuple[int, str], EndpointFacts] = {}

    def record_arrival(self, scope: Scope) -> RequestRecord:
        record = RequestRecord(next(numbers), scope, monotonic())
        self.in_flight[record] = None
        return record

    def record_departure(self, record: RequestRecord) -> None:
        record.returned_s = monotonic()
        self.departed = record
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
        method = str(scope.get("method", ""))
        facts = self.find_facts(scope.get("endpoint"), method)
        if kind is None and facts.awaited:
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
            journal.intern_text(facts.endpoint),
            journal.intern_text(method or None),
            record.returned_s,
            journal.intern_text(str(scope["type"])),
        )

    def find_facts(self, endpoint: object, method: str) -> EndpointFacts:
        """Unknown endpoints are not guessed."""
        if endpoint is None:
            return UNKNOWN_ENDPOINT
        key = (id(endpoint), method)
        facts = self._endpoints.get(key)
        if facts is None:
            if len(self._endpoints) >= MOST_ENDPOINTS:
                self._endpoints.clear()
            facts = self._endpoints[key] = describe_endpoint(endpoint, method)
        return facts
