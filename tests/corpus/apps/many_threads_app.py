"""FastAPI: anyio's pool with its default size. Forty threads sleep for twenty users; none waits."""

from __future__ import annotations

import time

import anyio
import anyio.to_thread
from fastapi import FastAPI

WORK_S = 0.1

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/two")
async def sleep_in_two() -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, time.sleep, WORK_S)
        group.start_soon(anyio.to_thread.run_sync, time.sleep, WORK_S)
    return "slept"
