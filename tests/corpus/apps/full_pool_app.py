"""FastAPI: a pool of two threads that is always full; the loop is never blocked."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool
from truth import note_run, note_wait

WAIT_S, PACE_S = 0.12, 0.1
"""PACE_S: pause before work that takes no time, so that users do not wait for the event loop."""


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2
    note_run("pool-is-small")
    yield


app = FastAPI(lifespan=shrink_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


async def read_clock() -> float:
    return monotonic()


async def read_clock_later() -> float:
    await anyio.sleep(PACE_S)
    return monotonic()


Asked = Annotated[float, Depends(read_clock)]
AskedLater = Annotated[float, Depends(read_clock_later)]


@app.get("/report", response_model=None)
def write_report(asked_s: Asked) -> PlainTextResponse:
    note_wait("report-behind-reports", asked_s)  # waits: report-behind-reports
    time.sleep(WAIT_S)  # holds: full-pool-report
    return PlainTextResponse("written")


def read_row() -> None:
    """Some work, so that the thread is needed."""
    time.sleep(0.003)


@app.get("/health", response_model=None)
def check_health(asked_s: AskedLater) -> PlainTextResponse:
    note_wait("health-behind-reports", asked_s)  # waits: health-behind-reports
    read_row()
    return PlainTextResponse("well")


def find_user(asked_s: AskedLater) -> str:
    note_wait("user-behind-reports", asked_s)  # waits: user-behind-reports
    read_row()
    return "user"


@app.get("/user")
async def greet(user: Annotated[str, Depends(find_user)]) -> str:
    return user


def index(asked_s: float) -> None:
    note_wait("offload-behind-reports", asked_s)
    time.sleep(0.02)


@app.get("/offload")
async def offload() -> str:
    await run_in_threadpool(index, monotonic())  # waits: offload-behind-reports
    return "done"
