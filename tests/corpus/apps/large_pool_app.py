"""FastAPI: a pool of 200 threads; each request uses several at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from fastapi import FastAPI

WORK_S = 0.1
TOKENS, AT_ONCE = 200, 4


@asynccontextmanager
async def enlarge_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = TOKENS
    yield


app = FastAPI(lifespan=enlarge_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/several")
async def sleep_in_several() -> str:
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(anyio.to_thread.run_sync, time.sleep, WORK_S)
    return "slept"
