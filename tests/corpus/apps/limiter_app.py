"""FastAPI: a limiter of the app's own, of four tokens, next to anyio's 40 that are free."""

from __future__ import annotations

import time
from time import monotonic

import anyio
import anyio.to_thread
from fastapi import FastAPI
from truth import note_wait

WORK_S, PACE_S = 0.15, 0.1
LIMITER = anyio.CapacityLimiter(4)

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


def render(asked_s: float) -> str:
    note_wait("wait-for-render", asked_s)
    time.sleep(WORK_S)  # holds: render
    return "rendered"


@app.get("/render")
async def send_rendered() -> str:
    return await anyio.to_thread.run_sync(
        render, monotonic(), limiter=LIMITER
    )  # waits: wait-for-render


def measure_size(asked_s: float) -> str:
    note_wait("wait-for-size", asked_s)
    return "4 by 3"


@app.get("/size")
async def send_size() -> str:
    await anyio.sleep(PACE_S)
    return await anyio.to_thread.run_sync(
        measure_size, monotonic(), limiter=LIMITER
    )  # waits: wait-for-size


@app.get("/free", response_model=None)
def sleep_in_free_pool() -> None:
    time.sleep(WORK_S)
