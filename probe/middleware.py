"""The probe itself: pure ASGI, because BaseHTTPMiddleware costs some 80 µs a layer."""

import asyncio
import atexit
import os
from collections.abc import Awaitable, Callable
from math import isnan
from pathlib import Path
from time import monotonic
from typing import TypeVar

from .pool import watch_pool
from .recorder import Recorder
from .visit import Scope, Visit, current
from .watchdog import Watchdog

Result = TypeVar("Result")
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
        self._pid = 0
        watch_pool()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self.recorder
        if self._pid == 0:  # after the fork, on the loop: here the watchdog belongs
            self._start()
        if scope["type"] != "http" or recorder.off:
            await self.app(scope, receive, send)
            return
        visit = recorder.arrive(scope)
        token = current.set(visit)
        try:
            await self.app(scope, receive, watching(send, visit))
        finally:
            current.reset(token)
            recorder.leave(visit)

    def _start(self) -> None:
        self._pid = os.getpid()
        try:
            loop = asyncio.get_running_loop()
            watchdog = Watchdog(self.recorder, self.directory, self.user_root)
            watchdog.start(loop)
        except (OSError, RuntimeError) as error:
            self.recorder.switch_off(error)
        else:
            atexit.register(watchdog.stop)


def watching(send: Send, visit: Visit) -> Send:
    async def sending(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            status = message.get("status")
            visit.status = status if isinstance(status, int) else 0
            if isnan(visit.ended_s):
                visit.ended_s = monotonic()
            await send(message)
        elif kind == "http.response.body" and not message.get("more_body"):
            await send(message)
            visit.sent_s = monotonic()
        else:
            await send(message)

    return sending
