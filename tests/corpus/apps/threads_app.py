"""FastAPI: threads that requests start and that never end, and threads meant to stay."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache

import anyio.to_thread
from fastapi import FastAPI
from truth import note_run

PACE_S = 0.3
NEVER = threading.Event()
POOLS: list[ThreadPoolExecutor] = []
Job = tuple[int, "Future[int]"]


class Worker:
    """One thread for the life of the process that squares numbers."""

    def __init__(self) -> None:
        self.jobs: queue.Queue[Job] = queue.Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while True:
            number, future = self.jobs.get()
            future.set_result(number * number)

    async def square(self, number: int) -> int:
        future: Future[int] = Future()
        self.jobs.put((number, future))
        return await asyncio.wrap_future(future)


WORKERS: list[Worker] = []


@asynccontextmanager
async def start_worker(_: FastAPI) -> AsyncIterator[None]:
    WORKERS.append(Worker())
    yield


app = FastAPI(lifespan=start_worker)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/watch")
async def start_watcher() -> str:
    await asyncio.sleep(PACE_S)
    threading.Thread(target=NEVER.wait, daemon=True).start()  # waits: thread-per-request
    note_run("thread-per-request")
    return "watched"


@app.get("/pool-per-request")
async def start_pool() -> int:
    await asyncio.sleep(PACE_S)
    POOLS.append(ThreadPoolExecutor(1))
    note_run("pool-per-request")
    return await asyncio.wrap_future(POOLS[-1].submit(len, POOLS))  # waits: pool-per-request


@app.get("/worker")
async def ask_worker() -> int:
    return await WORKERS[0].square(3)


@cache
def get_lazy_worker() -> Worker:
    return Worker()


@app.get("/lazy-worker")
async def ask_lazy_worker() -> int:
    return await get_lazy_worker().square(4)


@app.get("/joined")
async def start_and_join() -> str:
    await asyncio.sleep(PACE_S)
    thread = threading.Thread(target=NEVER.wait, args=(0.01,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    return "joined"
