"""The probe itself: pure ASGI, because BaseHTTPMiddleware costs some 80 µs a layer."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Awaitable
from pathlib import Path
from time import monotonic

from .attach_report import BY_HAND, DIRECTORY_VARIABLE, TRIAL_VARIABLE, AttachReport
from .audit_logs import is_audit
from .blocks import instrument_handles
from .executors import instrument_executors
from .frameworks import record_routes
from .made import instrument_makers
from .pool_calls import instrument_pool
from .recorder import Recorder
from .request_record import RequestRecord, current
from .routes import App, Message, Receive, Scope, Send
from .timed_call import wrap_app
from .watchdog import Watchdog

LAST_MESSAGES = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")


class Probe:
    """`Probe(app, directory)`: the same app, with a journal per process in `directory`.

    `Probe(app)` attaches a service by hand: in an audit it writes what an audit reads, otherwise
    it does nothing.
    """

    def __init__(
        self,
        app: App,
        directory: Path | None = None,
        user_root: Path | None = None,
        report: AttachReport | None = None,
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
        self.recorder.off = self.recorder.watched = directory is None
        if directory is not None:
            instrument_pool()
            instrument_executors()
            instrument_handles()
            if is_audit():
                instrument_makers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self.recorder
        if not recorder.watched:  # after the fork, on the loop: here the watchdog belongs
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
        if self.directory is None or (self.report and self.report.is_superfluous()):
            recorder.off = True
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the app runs under trio, where there is nothing to watch
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
        except Exception as error:  # whatever it is, the app must not notice
            recorder.switch_off(error)

    def _try_change(self) -> App:
        if self.report is None or not is_audit() or TRIAL_VARIABLE not in os.environ:
            return self.app
        from .trials import try_change  # it imports much, and most audits try nothing

        return try_change(self.app, self.report.update)

    async def run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stops the probe with the app's lifespan, the last that it hears of: uvicorn raises the
        signal that ended it once more, and the process dies without its atexit functions."""

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
        """Writes what is left. Safe to call twice; a process that ends in order does it itself."""
        if self._watchdog is not None:
            self._watchdog.stop()


def wrap_response_send(send: Send, record: RequestRecord) -> Send:
    """Notes the response's start and its last part, when each is handed to the server.

    A plain function that returns the server's own awaitable: a coroutine more for each message
    would cost as much as all the rest of the probe.
    """

    def note_and_send(message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            record.status = message["status"]  # type: ignore[assignment]
            if record.ended_s != record.ended_s:  # NaN: no thread of the pool has noted an end
                record.ended_s = monotonic()
        elif kind == "http.response.body" and not message.get("more_body"):
            record.sent_s = monotonic()
        return send(message)

    return note_and_send


def wrap_websocket_send(send: Send, record: RequestRecord) -> Send:
    """A socket's status is 101 once it is accepted, and 403 where it is closed before."""

    def note_and_send(message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "websocket.accept":
            record.status = 101
        elif kind == "websocket.close":
            record.status = record.status or 403
            record.sent_s = monotonic()
        return send(message)

    return note_and_send
