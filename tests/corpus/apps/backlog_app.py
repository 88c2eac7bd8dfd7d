"""FastAPI: background work that starts faster than it ends, and work that keeps up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import anyio
import anyio.to_thread
from fastapi import BackgroundTasks, FastAPI
from truth import note_wait

PACE_S, WORK_S = 0.2, 0.1
"""For twenty users: a hundred tasks start per second, forty can end."""
MAILERS = anyio.Semaphore(4)


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 4
    yield


app = FastAPI(lifespan=shrink_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


def index(asked_s: float) -> None:
    note_wait("pool-backlog", asked_s)  # waits: pool-backlog
    time.sleep(WORK_S)


@app.get("/index")
async def save(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(PACE_S)
    tasks.add_task(index, monotonic())
    return "saved"


async def send_mail(asked_s: float) -> None:
    async with MAILERS:
        note_wait("mail-backlog", asked_s)  # waits: mail-backlog
        await asyncio.sleep(WORK_S)


@app.get("/mail")
async def register(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(PACE_S)
    tasks.add_task(send_mail, monotonic())
    return "registered"


async def write_log() -> None:
    await asyncio.sleep(WORK_S)


@app.get("/logged")
async def log(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(PACE_S)
    tasks.add_task(write_log)
    return "logged"
