"""FastAPI under a pure ASGI middleware that blocks before, after and during its send."""

from __future__ import annotations

import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from truth import measure

WAIT_S = 0.12


class Gate:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/before":
            with measure("gate-before"):
                time.sleep(WAIT_S)  # blocks: gate-before

        async def send_on(message: Message) -> None:
            if path.startswith("/sending/") and message["type"] == "http.response.start":
                with measure("gate-sending"):
                    time.sleep(WAIT_S)  # blocks: gate-sending
            await send(message)

        await self.app(scope, receive, send_on)
        if path == "/after":
            with measure("gate-after"):
                time.sleep(WAIT_S)  # blocks: gate-after


app = FastAPI()
app.add_middleware(Gate)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/before")
async def before() -> str:
    return "ok"


@app.get("/after")
async def after() -> str:
    return "ok"


@app.get("/sending/{number}")
async def sending(number: int) -> int:
    return number


@app.get("/block")
async def block() -> str:
    with measure("under-gate"):
        time.sleep(WAIT_S)  # blocks: under-gate
    return "ok"
