"""FastAPI: five threads whose work requests another of the same five, for at most a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.from_thread
import anyio.to_thread
from fastapi import FastAPI
from truth import measure

app_title = "nested"


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 5
    yield


app = FastAPI(lifespan=shrink_pool)


@app.get("/ping")
async def ping() -> str:
    return "pong"


def look_up() -> str:
    return app_title


async def hand_over() -> str:
    with anyio.move_on_after(1.0):
        return await anyio.to_thread.run_sync(look_up)
    return "given up"


@app.get("/nested", response_model=None)
def read_nested() -> str:
    with measure("nested-deadlock"):
        return anyio.from_thread.run(hand_over)  # waits: nested-deadlock
