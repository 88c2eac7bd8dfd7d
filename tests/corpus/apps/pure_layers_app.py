"""FastAPI: three pure ASGI middlewares that cost almost nothing and delay no request."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

WAIT_S = 0.1


class PureLayer:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class FirstPureLayer(PureLayer): ...


class SecondPureLayer(PureLayer): ...


app = FastAPI()
app.add_middleware(PureLayer)
app.add_middleware(SecondPureLayer)
app.add_middleware(FirstPureLayer)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/slow")
async def sleep() -> str:
    await asyncio.sleep(WAIT_S)
    return "slept"
