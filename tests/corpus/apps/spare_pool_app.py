"""FastAPI: pools that are full or large, but no request waits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Depends, FastAPI

WORK_S = 0.1
SPARE = 21
"""As many as arrive at once, the background request included."""


@asynccontextmanager
async def fit_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = SPARE
    yield


app = FastAPI(lifespan=fit_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/work", response_model=None)
def work() -> None:
    time.sleep(WORK_S)


def find_user() -> str:
    time.sleep(WORK_S)
    return "user"


@app.get("/user")
async def greet(user: Annotated[str, Depends(find_user)]) -> str:
    return user
