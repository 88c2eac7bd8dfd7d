"""A service that goes wrong in one phase (variables FAULT and PHASE). It needs no framework."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable

FAULT, PHASE = os.environ["FAULT"], os.environ["PHASE"]
LOAD_BEGINS = 50
"""Requests; the first answers are fewer."""
HANGS_S = 600
COOKIES = [(b"set-cookie", b'tok\x9b31m s3cr3t@="1"')]
FLOOD = ("no human reads this " * 50 + "\n") * 1000

Message = dict[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def go_wrong() -> None:
    if FAULT == "dies":
        os._exit(3)
    if FAULT == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if FAULT == "hangs":
        time.sleep(HANGS_S)
    if FAULT == "goes to the background" and os.fork():
        os._exit(0)
    if FAULT == "raises":
        raise RuntimeError("planted")
    if FAULT == "floods":
        for _ in range(20):
            sys.stdout.write(FLOOD)


class Service:
    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        self.requests += 1
        if (PHASE == "first request") or (PHASE == "load" and self.requests == LOAD_BEGINS):
            go_wrong()
        has_begun = self.requests > (LOAD_BEGINS if PHASE == "load" else 0)
        if FAULT == "answers for ever" and has_begun:
            await self.stream(send)
            return
        status = 429 if FAULT == "refuses" and has_begun else 200
        headers = COOKIES if FAULT == "malformed cookies" else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        if PHASE == "startup":
            go_wrong()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if PHASE == "shutdown":
            go_wrong()
        await send({"type": "lifespan.shutdown.complete"})

    async def stream(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0.01)


if PHASE == "import":
    go_wrong()
app = Service()
