"""FastAPI: the pool is made smaller while more of its threads are in use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from truth import note_run

WORK_S = 1.0
MANY, FEW = 16, 6


def resize(tokens: int) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = tokens


@asynccontextmanager
async def enlarge_pool(_: FastAPI) -> AsyncIterator[None]:
    resize(MANY)
    yield


app = FastAPI(lifespan=enlarge_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/work", response_model=None)
def work() -> None:
    time.sleep(WORK_S)


@app.get("/shrink")
async def shrink() -> str:
    resize(FEW)
    if anyio.to_thread.current_default_thread_limiter().available_tokens < 0:
        note_run("pool-exceeded")
    await asyncio.sleep(WORK_S)
    resize(MANY)
    return "resized"
