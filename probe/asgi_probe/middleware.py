"""The probe itself: pure ASGI, because BaseHTTPMiddleware costs about 80 µs per layer."""

from __future__ import annotations

import logging
import os
from asyncio import get_running_loop
from collections.abc import Awaitable
from functools import lru_cache
from pathlib import Path

from .addresses import LISTEN_VARIABLE, parse_address
from .attach_report import (
    BY_HAND,
    DIRECTORY_VARIABLE,
    TRIAL_VARIABLE,
    AttachReport,
    find_working_folder,
    is_superfluous,
)
from .audit_logs import is_audit
from .blocks import LoopWatch, instrument_handles
from .clocks import monotonic
from .executors import instrument_executors
from .frameworks import record_routes
from .made import instrument_makers
from .metrics import Metrics
from .metrics_feed import find_feed
from .pool_calls import instrument_pool
from .recorder import Recorder
from .request_record import RequestRecord, current
from .routes import BODIES, App, Message, Receive, Scope, Send
from .settings import read_journal_limit, stacks_are_on
from .timed_call import time_call
from .watchdog import watchdog

log = logging.getLogger("probe")
MOST_IN_FLIGHT = 10_000
"""Requests and WebSockets of a probe at one time; later ones are not recorded."""
WEBSOCKET_ENDS = ("websocket.close", "websocket.http.response.body")
LAST_MESSAGES = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")


class Probe:
    """ASGI app that wraps another one. `Probe(app, directory)` writes a journal per process there,
    and creates the folder.

    `Probe(app, metrics=...)` feeds a metrics library, with or without a directory. `Probe(app)`
    attaches a service by hand: it does nothing without the launcher or an audit. Under these, each
    probe writes to their folder; behind a probe that they attached, it is off, with its metrics.
    user_root: folder of the user's own code; default: the current one. max_journal_bytes: limit of
    a process's files, at least 1 MiB; default: ASGI_PROBE_MAX_JOURNAL_BYTES, or no limit.
    listen: where `asgi_probe top` can connect: PATH of a Unix socket, HOST:PORT, or PORT of the
    loopback; nowhere by default, and only with a directory.

    Raises UsageError if `listen` is no address. An error of the probe while it runs switches it
    off, and the app goes on; its logger is `probe`.
    """

    def __init__(
        self,
        app: App,
        directory: Path | None = None,
        user_root: Path | None = None,
        listen: str | None = None,
        max_journal_bytes: int | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.app = self._call = app
        self.recorder = Recorder()
        self.report: AttachReport | None = None
        if (audited := os.environ.get(DIRECTORY_VARIABLE)) and directory != Path(audited):
            directory = Path(audited)
            self.report_to(AttachReport(directory, app, "", BY_HAND))
        listen = listen or os.environ.get(LISTEN_VARIABLE)
        self.address = None if listen is None else parse_address(listen)
        self.directory = directory
        self.user_root = user_root or Path()
        self.max_journal_bytes = (
            read_journal_limit() if max_journal_bytes is None else max_journal_bytes
        )
        if metrics is not None:
            self.recorder.feed = find_feed(metrics)
        self.recorder.off = directory is None and metrics is None
        if not self.recorder.off:
            here = find_working_folder()  # the app may change it later
            self.directory = None if directory is None else Path(here, directory)
            self.user_root = Path(here, self.user_root)
            instrument_all()

    def report_to(self, report: AttachReport) -> None:
        """Note starts and faults in the report of the process that the probe was attached to."""
        self.report = self.recorder.report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self.recorder
        watch: LoopWatch | None
        try:
            watch = recorder.loops[get_running_loop()]
        except (KeyError, RuntimeError):  # a new loop, a forked child, or trio
            watch = self._start(scope)
        kind = scope["type"]
        if kind == "lifespan":
            await self.run_lifespan(scope, receive, send, watch)
            return
        if watch is None or recorder.off or len(recorder.in_flight) >= MOST_IN_FLIGHT:
            await self._call(scope, receive, send)
            return
        record = recorder.record_arrival(scope, watch)
        token = current.set(record)
        wrap = wrap_response_send if kind == "http" else wrap_websocket_send
        try:
            call = self._call(scope, receive, wrap(send, record))
            await (time_call(call, record, watch) if watch.times_steps else call)
        finally:
            try:
                current.reset(token)
            except ValueError:  # a coroutine that a server drops is closed in any context
                log.debug("a request ended in another context than its own")
            recorder.record_departure(record)

    def _start(self, scope: Scope) -> LoopWatch | None:
        """Return the running loop's watch; None if the probe is off, or cannot watch the loop."""
        recorder = self.recorder
        if recorder.off:
            return None
        if is_superfluous(self.report.hook if self.report else BY_HAND):
            recorder.off = True
            return None
        try:
            get_running_loop()
        except RuntimeError:
            recorder.off = True
            warn_without_asyncio()
            return None
        try:
            if self.report:
                self.report.note_start(has_lifespan=scope["type"] == "lifespan")
            record_routes()
            place = self.directory, self.max_journal_bytes
            watch = watchdog.watch(recorder, place, self.user_root)
            self._call = self._try_change()
            if self.address is not None and self.directory is not None:
                from .relay import start_relay  # few services need it

                start_relay(self.directory, self.address)
        except Exception as error:  # the app must not be affected
            recorder.switch_off(error)
            return None
        return watch

    def _try_change(self) -> App:
        if self.report is None or not is_audit() or TRIAL_VARIABLE not in os.environ:
            return self.app
        from .trials import try_change  # a costly import, and most audits have no trial

        return try_change(self.app, self.report.update)

    async def run_lifespan(
        self, scope: Scope, receive: Receive, send: Send, watch: LoopWatch | None
    ) -> None:
        """Run the app's lifespan and stop the probe at its end. uvicorn then raises the signal that
        ended it again, so the process dies without running atexit functions."""

        def note_and_send(message: Message) -> Awaitable[None]:
            if message["type"] in LAST_MESSAGES:
                self.stop()
            elif self.report:
                self.report.note_started()
            return send(message)

        try:
            call = self._call(scope, receive, note_and_send)
            await (time_call(call, None, watch) if watch and watch.times_steps else call)
        finally:
            if self.report:
                self.report.note_started()

    def stop(self) -> None:
        """Write the remaining rows. Safe to call twice; on an orderly exit they are written
        anyway."""
        watchdog.stop(self.recorder)
        if self.address is not None and not watchdog.is_running():
            from .relay import stop_relays

            stop_relays()


def instrument_all() -> None:
    """Wrap what the probe observes, each once per process."""
    instrument_pool()
    instrument_executors()
    if stacks_are_on():
        instrument_handles()
    if is_audit():
        instrument_makers()


@lru_cache(maxsize=1)
def warn_without_asyncio() -> None:
    """Say once per process what is not recorded."""
    log.warning(
        "the probe records nothing here: it needs asyncio or uvloop, and this app runs on another "
        "event loop (trio), whose requests, threads and blocks it cannot see"
    )


def wrap_response_send(send: Send, record: RequestRecord) -> Send:
    """Record when the app passes the response's start and its last part to the server.

    Returns a plain function that returns the server's own awaitable: an extra coroutine per message
    would cost as much as the whole remaining probe.
    """

    def note_and_send(message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            record.status = read_status(message["status"])
            if record.ended_s != record.ended_s:  # NaN: no pool thread has recorded the end
                record.ended_s = monotonic()
        elif kind in BODIES and not message.get("more_body"):
            record.sent_s = monotonic()
        return send(message)

    return note_and_send


def wrap_websocket_send(send: Send, record: RequestRecord) -> Send:
    """Record a WebSocket's status: 101 once accepted; of one that is closed before that, the status
    of the app's own response, or 403."""

    def note_and_send(message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "websocket.accept":
            record.status = 101
        elif kind == "websocket.http.response.start":
            record.status = read_status(message["status"])
        elif kind in WEBSOCKET_ENDS and not message.get("more_body"):
            record.status = record.status or 403
            record.sent_s = monotonic()
        return send(message)

    return note_and_send


def read_status(status: object) -> int:
    """Return 200 for the 200.0 that servers send as 200, and 0 for what has no room in its column:
    an error would end the recording."""
    return int(status) if isinstance(status, (int, float)) and 0 <= status <= 0xFFFF else 0
