"""FastAPI: middlewares that hold back a response, or a request."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from truth import measure

WAIT_S = 0.2


class ReportingLayer(BaseHTTPMiddleware):
    """Writes a log of the response before it passes it on."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        if request.url.path == "/reported":
            with measure("answer-delayed"):
                await asyncio.sleep(WAIT_S)  # waits: answer-delayed
        return response


class SigningLayer:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sign(message: Message) -> None:
            if message["type"] == "http.response.start":
                with measure("start-delayed"):
                    await asyncio.sleep(WAIT_S)
            await send(message)

        is_signed = scope.get("path") == "/signed"
        await self.app(scope, receive, sign if is_signed else send)  # waits: start-delayed


class QuotaLayer:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/limited":
            with measure("request-delayed"):
                await asyncio.sleep(WAIT_S)  # waits: request-delayed
        await self.app(scope, receive, send)


app = FastAPI()
app.add_middleware(ReportingLayer)
app.add_middleware(SigningLayer)
app.add_middleware(QuotaLayer)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/reported")
async def get_reported() -> str:
    return "reported"


@app.get("/signed")
async def get_signed() -> str:
    return "signed"


@app.get("/limited")
async def get_limited() -> str:
    return "limited"


@app.get("/slow")
async def sleep() -> str:
    await asyncio.sleep(WAIT_S)
    return "slept"
