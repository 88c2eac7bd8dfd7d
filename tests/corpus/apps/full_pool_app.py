"""FastAPI: a pool of two threads that is always full; the loop is free all the time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

WAIT_S = 0.12


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2
    yield


app = FastAPI(lifespan=shrink_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/report")
def write_report() -> str:
    time.sleep(WAIT_S)
    return "written"


@app.get("/health")
def check_health() -> str:
    return "well"


def find_user() -> str:
    return "user"


@app.get("/user")
async def greet(user: Annotated[str, Depends(find_user)]) -> str:
    return user


@app.get("/offload")
async def offload() -> str:
    await run_in_threadpool(time.sleep, 0.05)
    return "done"
