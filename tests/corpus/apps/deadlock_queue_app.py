"""FastAPI: six threads and two connections of the app's own pool, a queue.Queue. A dependency takes
one, and the endpoint waits for a thread; the wait for a connection ends after a second."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from truth import measure

CONNECTIONS: queue.Queue[str] = queue.Queue(2)
CONNECTIONS.put("first")
CONNECTIONS.put("second")


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 6
    yield


app = FastAPI(lifespan=shrink_pool)


@app.exception_handler(queue.Empty)
async def report_busy(_: Request, __: Exception) -> PlainTextResponse:
    return PlainTextResponse("busy", status_code=503)


@app.get("/ping")
async def ping() -> str:
    return "pong"


def open_connection() -> Iterator[str]:
    with measure("queue-deadlock"):
        connection = CONNECTIONS.get(timeout=1.0)  # waits: queue-deadlock
    try:
        yield connection
    finally:
        CONNECTIONS.put(connection)


@app.get("/orders", response_model=None)
def read_orders(connection: Annotated[str, Depends(open_connection)]) -> PlainTextResponse:
    return PlainTextResponse(connection)
