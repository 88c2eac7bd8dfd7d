"""Requests of one process: those in flight, and the rows to write."""

from __future__ import annotations

import logging
from itertools import count
from math import isnan
from pathlib import PurePath
from time import monotonic
from typing import NamedTuple

from .attach_report import AttachReport
from .journal import ProbeJournal, make_packer
from .metrics_feed import MetricsFeed
from .request_record import HANDLERS, RequestRecord, parse_request_id
from .routes import (
    EndpointFacts,
    Scope,
    describe_endpoint,
    find_endpoint,
    find_route,
    is_mount,
    keep_route,
)

log = logging.getLogger("probe")
pack = make_packer(HANDLERS)
UNKNOWN_ENDPOINT = EndpointFacts(None, awaited=False)
MOST_ROUTES = 1_000
"""Maximum of cached routes: an app that creates its routes per request would fill the memory."""
numbers = count(1)
"""Request numbers, one sequence for all probes of the process: a task may carry a request that
another probe has recorded."""


class RowTexts(NamedTuple):
    """String-table indices of a request's texts. route: 0 if the framework does not keep the route.
    awaited: the endpoint runs on the loop. scope: the keys that `find_route` reads."""

    route: int
    endpoint: int
    method: int
    protocol: int
    awaited: bool
    scope: Scope


class Recorder:
    """Recorder of requests. `record_arrival` and `record_departure` run on the loop per request, so
    they do little. A departed request is packed at once: its scope would keep about 200 objects
    alive until the next flush, and the garbage collector would walk them all."""

    def __init__(self) -> None:
        self.off = False
        self.report: AttachReport | None = None
        self.feed: MetricsFeed | None = None
        self.in_flight: dict[RequestRecord, None] = {}
        self.loop_thread_id = 0
        self.journal: ProbeJournal | None = None
        self.departed: RequestRecord | None = None
        """The last departed request: when its last handle ends, no context has it any more."""
        self.watched = False
        """True if a watchdog runs, or could not be started."""
        self._texts: dict[tuple[object, ...], tuple[RowTexts, object]] = {}

    def start_journal(self, journal: ProbeJournal) -> None:
        self._texts.clear()
        self.journal = journal

    def record_arrival(self, scope: Scope) -> RequestRecord:
        record = RequestRecord(next(numbers), scope, monotonic())
        if self.feed is not None:
            record.feed = self.feed
        self.in_flight[record] = None
        return record

    def record_departure(self, record: RequestRecord) -> None:
        record.returned_s = monotonic()
        self.departed = record
        del self.in_flight[record]
        journal = self.journal
        if journal is None or self.off:
            record.scope = keep_route(record.scope)
            return
        try:
            texts = self.find_texts(record.scope, journal)
            journal.add("h", self.pack_row(record, texts, journal))
            record.scope = texts.scope  # threads and tasks keep the record for longer
        except Exception as error:  # the app must not be affected
            self.switch_off(error)

    def switch_off(self, error: BaseException) -> None:
        """Switch the probe off after an error of its own; the app continues without it."""
        if not self.off:
            self.off = True
            if self.report is not None:
                self.report.update(stopped=describe_fault(error))
            log.error("the probe is switched off after an error: %r", error, exc_info=error)

    def write_snapshot(self, journal: ProbeJournal, *, is_last: bool) -> None:
        """Write the rows of unfinished requests that have changed; an unfinished wait counts as
        changed when it has grown by 10 %. Among the rows with one number the most complete counts.
        It need not be the last one, because requests depart during this loop."""
        for record in list(self.in_flight):
            scope = record.scope
            if "type" not in scope:  # it departed during this loop, and its row is written
                continue
            moments = record.queued_s, record.started_s, record.sent_s
            known = 1 + sum(not isnan(each) for each in moments)
            wait_s = record.measure_pool_wait() if record.waits else 0.0
            if known > record.known or wait_s > (1.0 if is_last else 1.1) * record.written_wait_s:
                record.known, record.written_wait_s = known, wait_s
                texts = self.find_texts(scope, journal)
                journal.add("h", self.pack_row(record, texts, journal))

    def pack_row(self, record: RequestRecord, texts: RowTexts, journal: ProbeJournal) -> bytes:
        started_s, thread_id, kind = record.started_s, record.thread_id, record.thread_kind
        if kind is None and texts.awaited:
            started_s, thread_id, kind = record.arrived_s, self.loop_thread_id, "loop"
        return pack(
            record.number,
            parse_request_id(record.scope),
            texts.route,
            record.arrived_s,
            record.queued_s,
            started_s,
            record.ended_s,
            record.sent_s,
            record.measure_pool_wait() if record.waits else record.pool_wait_s,
            thread_id,
            journal.intern_text(kind),
            record.status,
            texts.endpoint,
            texts.method,
            record.returned_s,
            texts.protocol,
        )

    def find_texts(self, scope: Scope, journal: ProbeJournal) -> RowTexts:
        """Return a request's texts, cached by route, mounts and method; without a route, the path
        is read per request."""
        route, get = scope.get("route"), scope.get
        context = get("fastapi")
        if isinstance(context, dict):
            context = context.get("effective_route_context")
        endpoint, method = find_endpoint(scope), get("method")
        key = (id(route), id(endpoint), id(context), method, get("root_path"))
        known = self._texts.get(key)
        if known is None:
            if len(self._texts) >= MOST_ROUTES:
                self._texts.clear()
            # keeps these objects alive: the key has their ids, which could be reused
            known = make_texts(scope, journal), (route, endpoint, context)
            self._texts[key] = known
        if known[0].route:
            return known[0]
        route_text = journal.intern_text(find_route(scope))
        return known[0]._replace(route=route_text, scope=keep_route(scope))


def describe_fault(error: BaseException) -> str:
    """Return an error's type and place, without its text, which may contain data of the app."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return type(error).__name__
    file = PurePath(frame.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} in {file}:{frame.tb_lineno}"


def make_texts(scope: Scope, journal: ProbeJournal) -> RowTexts:
    method = str(scope.get("method", ""))
    endpoint, route = find_endpoint(scope), scope.get("route")
    facts = UNKNOWN_ENDPOINT if endpoint is None else describe_endpoint(endpoint, method)
    intern = journal.intern_text
    return RowTexts(
        route=0 if route is None or is_mount(route) else intern(find_route(scope)),
        endpoint=intern(facts.endpoint),
        method=intern(method or None),
        protocol=intern(str(scope["type"])),
        awaited=facts.awaited,
        scope=keep_route(scope),
    )
