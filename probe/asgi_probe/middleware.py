"""The probe itself: pure ASGI, because BaseHTTPMiddleware costs some 80 µs a layer."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

from .recorder import Recorder
from .request_record import RequestRecord, Scope, current, instrument_pool
from .watchdog import Watchdog

Message = Scope
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Probe:
    """`Probe(app, directory)`: the same app, with a journal per process in `directory`."""

    def __init__(self, app: App, directory: Path, user_root: Path | None = None) -> None:
        self.app = app
        self.directory = directory
        self.user_root = user_root or Path.cwd()
        self.recorder = Recorder()
        self._started = False
        self._watchdog: Watchdog | None = None
        instrument_pool()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self.recorder
        if not self._started:  # after the fork, on the loop: here the watchdog belongs
            self._start()
        if scope["type"] != "http" or recorder.off:
            await self.app(scope, receive, self.wrap_lifespan_send(send))
            return
        record = recorder.record_arrival(scope)
        token = current.set(record)
        try:
            await self.app(scope, receive, wrap_response_send(send, record))
        finally:
            current.reset(token)
            recorder.record_departure(record)

    def _start(self) -> None:
        self._started = True
        try:
            loop = asyncio.get_running_loop()
            self._watchdog = Watchdog(self.recorder, self.directory, self.user_root)
            self._watchdog.start(loop)
            atexit.register(self.stop)
        except Exception as error:  # whatever it is, the app must not notice
            self.recorder.switch_off(error)

    def wrap_lifespan_send(self, send: Send) -> Send:
        """Stops the probe with the app's lifespan, the last that it hears of: uvicorn raises the
        signal that ended it once more, and the process dies without its atexit functions."""

        def send_and_stop(message: Message) -> Awaitable[None]:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                self.stop()
            return send(message)

        return send_and_stop

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
