"""FastAPI: `def` streams and background tasks that hold eight threads for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from truth import measure

TASK_S, CHUNK_S = 2.0, 0.4
MOST_TASKS = 12
PENDING: set[int] = set()
"""Unfinished exports: users who get their response first would start more and more of them."""


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 8
    yield


app = FastAPI(lifespan=shrink_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


def follow_log() -> Iterator[str]:
    for number in range(3):
        with measure("def-stream"):
            time.sleep(CHUNK_S)  # waits: def-stream
        yield f"{number}\n"


@app.get("/log", response_model=None)
async def stream_log() -> StreamingResponse:
    return StreamingResponse(follow_log(), media_type="text/plain")


def export(number: int) -> None:
    with measure("long-task"):
        time.sleep(TASK_S)  # waits: long-task
    PENDING.discard(number)


@app.get("/export")
async def start_export(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(0.1)
    number = time.monotonic_ns()
    if len(PENDING) >= MOST_TASKS:
        return "busy"
    PENDING.add(number)
    tasks.add_task(export, number)
    return "started"


async def follow_news() -> AsyncIterator[str]:
    for number in range(3):
        await asyncio.sleep(CHUNK_S)
        yield f"{number}\n"


@app.get("/news", response_model=None)
async def stream_news() -> StreamingResponse:
    return StreamingResponse(follow_news(), media_type="text/plain")
