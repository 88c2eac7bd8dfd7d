"""Starlette under a BaseHTTPMiddleware, which runs the rest of the app in a child task."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from truth import measure

WAIT_S = 0.12


class Signing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if request.url.path == "/before":
            with measure("dispatch-before"):
                time.sleep(WAIT_S)  # blocks: dispatch-before
        response = await call_next(request)
        if request.url.path == "/after":
            with measure("dispatch-after"):
                time.sleep(WAIT_S)  # blocks: dispatch-after
        return response


async def answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def block(_: Request) -> PlainTextResponse:
    with measure("under-dispatch"):
        time.sleep(WAIT_S)  # blocks: under-dispatch
    return PlainTextResponse("ok")


async def iterate_chunks() -> AsyncIterator[bytes]:
    for _ in range(2):
        with measure("stream-under-dispatch"):
            time.sleep(0.08)  # blocks: stream-under-dispatch
        yield b"chunk"


async def stream(_: Request) -> StreamingResponse:
    return StreamingResponse(iterate_chunks())


async def clean_up() -> None:
    with measure("task-under-dispatch"):
        time.sleep(WAIT_S)  # blocks: task-under-dispatch


async def order(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok", background=BackgroundTask(clean_up))


app = Starlette(
    routes=[
        Route("/ping", answer),
        Route("/before", answer),
        Route("/after", answer),
        Route("/block", block),
        Route("/stream", stream),
        Route("/order", order),
    ],
    middleware=[Middleware(Signing)],
)
