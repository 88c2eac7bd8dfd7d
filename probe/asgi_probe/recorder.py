"""Requests of one process: those in flight, and the rows to write."""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop
from itertools import count
from math import isnan, nan
from pathlib import PurePath
from typing import NamedTuple

from .attach_report import AttachReport
from .blocks import LoopWatch
from .clocks import monotonic
from .journal import CLIENT, NAME, NoJournal, ProbeJournal, make_packer
from .metrics_feed import MetricsFeed
from .request_record import HANDLERS, RequestRecord, parse_request_id
from .routes import (
    EndpointFacts,
    Scope,
    describe_endpoint,
    find_endpoint,
    intern_route,
    is_mount,
    keep_route,
)

log = logging.getLogger("probe")
pack = make_packer(HANDLERS)
UNKNOWN_ENDPOINT = EndpointFacts(None, awaited=False)
MOST_ROUTES = 1_000
"""Maximum of cached routes: an app that creates its routes per request would fill the memory."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
"""Some servers accept any other word of a client too."""
LARGEST_NUMBER = 0xFFFF_FFFF
"""A journal has 4 bytes for it: numbers start again after four billion requests."""
numbers = count(1)
"""Request numbers, one sequence for all probes of the process: a task may carry a request that
another probe has recorded."""


class RowTexts(NamedTuple):
    """String-table indices of a request's texts. route: 0 if the framework does not keep the route.
    loop: "loop" if the endpoint runs on the loop, otherwise 0. scope: the keys that `find_route`
    reads."""

    route: int
    endpoint: int
    method: int
    protocol: int
    loop: int
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
        self.loops: dict[AbstractEventLoop, LoopWatch] = {}
        """The loops on which the watchdog runs for this probe."""
        self.journal: ProbeJournal | None = None
        """None while no watchdog runs, and for a probe that only feeds metrics."""
        self._texts: dict[tuple[object, ...], tuple[RowTexts, object]] = {}

    def start_journal(self, journal: ProbeJournal) -> None:
        self._texts.clear()
        self.journal = None if isinstance(journal, NoJournal) else journal

    def record_arrival(self, scope: Scope, watch: LoopWatch) -> RequestRecord:
        record = RequestRecord(next(numbers) & LARGEST_NUMBER, scope, watch, monotonic())
        if self.feed is not None:
            record.feed = self.feed
        self.in_flight[record] = None
        return record

    def record_departure(self, record: RequestRecord) -> None:
        record.returned_s = monotonic()
        record.watch.departed = record
        self.in_flight.pop(record, None)  # gone in a forked child
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
        if record.waits is None and texts.loop:  # as below, without what only a thread sets
            return pack(
                record.number,
                parse_request_id(record.scope),
                texts.route,
                record.arrived_s,
                nan,
                record.arrived_s,
                record.ended_s,
                record.sent_s,
                0.0,
                record.watch.native_id,
                texts.loop,
                record.status,
                texts.endpoint,
                texts.method,
                record.returned_s,
                texts.protocol,
            )
        return pack(*self.list_values(record, texts, journal))

    @staticmethod
    def list_values(
        record: RequestRecord, texts: RowTexts, journal: ProbeJournal
    ) -> tuple[float, ...]:
        started_s, thread_id = record.started_s, record.thread_id
        kind = journal.intern_text(record.thread_kind)
        if not kind and texts.loop:
            started_s, thread_id, kind = record.arrived_s, record.watch.native_id, texts.loop
        return (
            *(record.number, parse_request_id(record.scope), texts.route),
            *(record.arrived_s, record.queued_s, started_s, record.ended_s, record.sent_s),
            record.measure_pool_wait() if record.waits else record.pool_wait_s,
            *(thread_id, kind, record.status, texts.endpoint, texts.method),
            *(record.returned_s, texts.protocol),
        )

    def find_texts(self, scope: Scope, journal: ProbeJournal) -> RowTexts:
        """Return a request's texts, cached by route, mounts and method; without a route, the path
        is read per request."""
        get = scope.get
        route, context = get("route"), get("fastapi")
        if isinstance(context, dict):
            context = context.get("effective_route_context")
        endpoint = find_endpoint(scope) if "route_handler" in scope else get("endpoint")
        key = (id(route), id(endpoint), id(context), get("method"), get("root_path"))
        known = self._texts.get(key)
        if known is None:
            if len(self._texts) >= MOST_ROUTES:
                self._texts.clear()
            # keeps these objects alive: the key has their ids, which could be reused
            known = make_texts(scope, journal), (route, endpoint, context)
            self._texts[key] = known
        texts = known[0]
        if texts.route:
            return texts
        return texts._replace(route=intern_route(scope, journal), scope=keep_route(scope))


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
        route=0 if route is None or is_mount(route) else intern_route(scope, journal),
        endpoint=intern(facts.endpoint),
        method=intern(method or None, NAME if method in METHODS else CLIENT),
        protocol=intern(str(scope["type"])),
        loop=intern("loop") if facts.awaited else 0,
        scope=keep_route(scope),
    )
