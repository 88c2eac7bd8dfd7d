"""FastAPI: routes that are slow or busy, but do not block the loop."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import anyio.to_thread
import httpx
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import PlainTextResponse, StreamingResponse
from upstream import start_upstream

WAIT_S = 0.12
URL = f"http://127.0.0.1:{start_upstream()}/"
CLIENT = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None))
ROWS: list[dict[str, object]] = [
    {"id": number, "name": f"item {number}"} for number in range(12_000)
]
MEGABYTE = "x" * (1 << 20)
FOUR = anyio.Semaphore(4)
MANY = ThreadPoolExecutor(32)
ONE = threading.Lock()


@asynccontextmanager
async def load_lazy_modules(_: FastAPI) -> AsyncIterator[None]:
    """The first use of anyio and httpx imports modules and blocks the loop for tens of ms."""
    await anyio.to_thread.run_sync(time.sleep, 0)
    await ask_upstream()
    yield


app = FastAPI(lifespan=load_lazy_modules)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/sleep")
async def sleep() -> str:
    await asyncio.sleep(WAIT_S)
    return "slept"


@app.get("/pool")
def sleep_in_pool() -> str:
    time.sleep(WAIT_S)
    return "slept"


@app.get("/to-thread")
async def sleep_in_thread() -> str:
    await anyio.to_thread.run_sync(time.sleep, WAIT_S)
    return "slept"


@app.get("/executor")
async def sleep_in_executor() -> str:
    await asyncio.get_running_loop().run_in_executor(MANY, time.sleep, WAIT_S)
    return "slept"


@app.get("/subprocess")
async def run_program() -> int:
    process = await asyncio.create_subprocess_exec("sleep", str(WAIT_S))
    return await process.wait()


@app.get("/upstream")
async def ask_upstream() -> str:
    return (await CLIENT.get(URL)).text


@app.get("/semaphore")
async def take_turns() -> str:
    async with FOUR:
        await asyncio.sleep(0.05)
    return "done"


@app.get("/chunked")
async def encode_in_chunks() -> PlainTextResponse:
    parts = []
    for at in range(0, len(ROWS), 500):
        parts.append(json.dumps(ROWS[at : at + 500]))
        await asyncio.sleep(0)
    return PlainTextResponse(",".join(parts))


@app.get("/megabyte")
async def send_megabyte() -> PlainTextResponse:
    return PlainTextResponse(MEGABYTE)


@app.get("/slices")
def compute_in_pool() -> int:
    """In Python, one at a time: the loop waits at most 5 ms for the GIL. Twenty threads that all
    want it would keep it from the loop for longer."""
    total = 0
    with ONE:
        for number in range(400_000):
            total += number * number % 7
    return total


async def iterate_lines() -> AsyncIterator[str]:
    for number in range(3):
        await asyncio.sleep(0.04)
        yield f"{number}\n"


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(iterate_lines())


def iterate_in_pool() -> Iterator[str]:
    for number in range(3):
        time.sleep(0.04)
        yield f"{number}\n"


@app.get("/stream/pool")
async def stream_from_pool() -> StreamingResponse:
    return StreamingResponse(iterate_in_pool())


async def send_mail() -> None:
    await asyncio.sleep(WAIT_S)


@app.get("/background")
async def register(tasks: BackgroundTasks) -> str:
    tasks.add_task(send_mail)
    return "registered"


@app.get("/background/pool")
async def register_in_pool(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(WAIT_S)  # twenty users start no more than forty threads can end
    tasks.add_task(time.sleep, WAIT_S)
    return "registered"


async def open_session() -> AsyncIterator[str]:
    await asyncio.sleep(0.04)
    yield "session"
    await asyncio.sleep(0.04)


@app.get("/session")
async def use_session(session: Annotated[str, Depends(open_session)]) -> str:
    return session


@app.get("/rows")
async def send_few_rows() -> list[dict[str, object]]:
    return ROWS[:100]
