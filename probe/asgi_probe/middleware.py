"""The probe itself: pure ASGI, because BaseHTTPMiddleware costs about 80 µs per layer."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Awaitable
from pathlib import Path
from time import monotonic

from .attach_report import BY_HAND, DIRECTORY_VARIABLE, TRIAL_VARIABLE, AttachReport
from .audit_logs import is_audit
from .blocks import BEAT_S, instrument_handles
from .executors import instrument_executors
from .frameworks import record_routes
from .made import instrument_makers
from .metrics import Metrics
from .metrics_feed import MetricsFeed
from .pool_calls import instrument_pool
from .recorder import Recorder
from .request_record import RequestRecord, current
from .routes import App, Message, Receive, Scope, Send
from .timed_call import wrap_app
from .watchdog import Watchdog

LAST_MESSAGES = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")


class Probe:
    """ASGI app that wraps another one. `Probe(app, directory)` writes a journal per process there.

    `Probe(app, metrics=...)` feeds a metrics library, with or without a directory. `Probe(app)`
    attaches a service by hand: it writes an audit's files during an audit, and does nothing
    otherwise. user_root: the folder of the user's own code; default: the current one.
    """

    def __init__(
        self,
        app: App,
        directory: Path | None = None,
        user_root: Path | None = None,
        report: AttachReport | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.app = app
        if directory is None and (audited := os.environ.get(DIRECTORY_VARIABLE)):
            directory = Path(audited)
            report = report or AttachReport(directory, app, "", BY_HAND)
        self.directory = directory
        self.user_root = user_root or Path.cwd()
        self.recorder = Recorder()
        self.recorder.report = self.report = report
        self._call = app
        self._watchdog: Watchdog | None = None
        if metrics is not None:
            self.recorder.feed = MetricsFeed(metrics, BEAT_S)
        self.recorder.off = self.recorder.watched = directory is None and metrics is None
        if not self.recorder.off:
            instrument_pool()
            instrument_executors()
            instrument_handles()
            if is_audit():
                instrument_makers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self.recorder
        if not recorder.watched:  # starts the watchdog after a fork, and on the loop's thread
            self._start(scope)
        kind = scope["type"]
        if kind == "lifespan":
            await self.run_lifespan(scope, receive, send)
            return
        if recorder.off:
            await self._call(scope, receive, send)
            return
        record = recorder.record_arrival(scope)
        token = current.set(record)
        wrap = wrap_response_send if kind == "http" else wrap_websocket_send
        try:
            await self._call(scope, receive, wrap(send, record))
        finally:
            current.reset(token)
            recorder.record_departure(record)

    def _start(self, scope: Scope) -> None:
        recorder = self.recorder
        recorder.watched = True
        if self.report and self.report.is_superfluous():
            recorder.off = True
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the app runs under trio, which the probe cannot watch
            recorder.off = True
            return
        try:
            if self.report:
                self.report.note_start(has_lifespan=scope["type"] == "lifespan")
            record_routes()
            self._watchdog = Watchdog(recorder, self.directory, self.user_root)
            self._watchdog.start(loop)
            watch = self._watchdog.watch
            app = self._try_change()
            self._call = app if watch.times_handles else wrap_app(app, watch)
            atexit.register(self._watchdog.stop)
        except Exception as error:  # the app must not be affected
            recorder.switch_off(error)

    def _try_change(self) -> App:
        if self.report is None or not is_audit() or TRIAL_VARIABLE not in os.environ:
            return self.app
        from .trials import try_change  # a costly import, and most audits have no trial

        return try_change(self.app, self.report.update)

    async def run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app's lifespan and stop the probe at its end. uvicorn then raises the signal that
        ended it again, so the process dies without running atexit functions."""

        def note_and_send(message: Message) -> Awaitable[None]:
            if message["type"] in LAST_MESSAGES:
                self.stop()
            elif self.report:
                self.report.note_started()
            return send(message)

        try:
            await self._call(scope, receive, note_and_send)
        finally:
            if self.report:
                self.report.note_started()

    def stop(self) -> None:
        """Write the remaining rows. Safe to call twice; atexit calls it on an orderly exit."""
        if self._watchdog is not None:
            self._watchdog.stop()


def wrap_response_send(send: Send, record: RequestRecord) -> Send:
    """Record when the app passes the response's start and its last part to the server.

    Returns a plain function that returns the server's own awaitable: an extra coroutine per message
    would cost as much as the whole remaining probe.
    """

    def note_and_send(message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            record.status = message["status"]  # type: ignore[assignment]
            if record.ended_s != record.ended_s:  # NaN: no pool thread has recorded the end
                record.ended_s = monotonic()
        elif kind == "http.response.body" and not message.get("more_body"):
            record.sent_s = monotonic()
        return send(message)

    return note_and_send


def wrap_websocket_send(send: Send, record: RequestRecord) -> Send:
    """Record a WebSocket's status: 101 once accepted, 403 if closed before that."""

    def note_and_send(message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "websocket.accept":
            record.status = 101
        elif kind == "websocket.close":
            record.status = record.status or 403
            record.sent_s = monotonic()
        return send(message)

    return note_and_send
