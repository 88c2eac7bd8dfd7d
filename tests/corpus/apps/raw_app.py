"""No framework: an ASGI callable that reads the path itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from truth import measure

WAIT_S = 0.12
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def send_text(send: Send, text: bytes) -> None:
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def block(send: Send) -> None:
    with measure("raw"):
        time.sleep(WAIT_S)  # blocks: raw
    await send_text(send, b"blocked")


async def block_after(send: Send) -> None:
    await send_text(send, b"answered")
    with measure("raw-after"):
        time.sleep(WAIT_S)  # blocks: raw-after


async def stream(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(3):
        with measure("raw-stream"):
            time.sleep(0.06)  # blocks: raw-stream
        await send({"type": "http.response.body", "body": b"chunk", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def pong(send: Send) -> None:
    await send_text(send, b"pong")


ROUTES = {"/block": block, "/after": block_after, "/stream": stream}


async def run_lifespan(receive: Receive, send: Send) -> None:
    await receive()
    with measure("raw-startup"):
        time.sleep(0.4)  # blocks: raw-startup
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
    else:
        await ROUTES.get(scope["path"], pong)(send)
