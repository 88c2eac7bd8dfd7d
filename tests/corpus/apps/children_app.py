"""FastAPI: code of a route that runs in a task or callback of its own."""

from __future__ import annotations

import asyncio
import time

import anyio
from fastapi import FastAPI
from truth import measure

WAIT_S = 0.12
TASKS: set[asyncio.Task[None]] = set()

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


async def fetch_part(seconds: float) -> None:
    await asyncio.sleep(0)
    with measure("gather"):
        time.sleep(seconds)  # blocks: gather


@app.get("/gather")
async def gather_parts() -> str:
    await asyncio.gather(fetch_part(0.06), fetch_part(0.06))
    return "gathered"


async def fetch_in_task() -> None:
    with measure("create-task"):
        time.sleep(WAIT_S)  # blocks: create-task


@app.get("/task")
async def await_task() -> str:
    await asyncio.create_task(fetch_in_task())
    return "done"


async def fetch_in_group() -> None:
    with measure("task-group"):
        time.sleep(WAIT_S)  # blocks: task-group


@app.get("/group")
async def await_group() -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(fetch_in_group)
    return "done"


async def fetch_in_time() -> None:
    with measure("wait-for"):
        time.sleep(WAIT_S)  # blocks: wait-for


@app.get("/wait-for")
async def await_in_time() -> str:
    await asyncio.wait_for(fetch_in_time(), 5)
    return "done"


def expire(done: asyncio.Event) -> None:
    with measure("call-later"):
        time.sleep(WAIT_S)  # blocks: call-later
    done.set()


@app.get("/call-later")
async def await_timer() -> str:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, expire, done)
    await done.wait()
    return "expired"


def count_done(_: asyncio.Task[None]) -> None:
    with measure("done-callback"):
        time.sleep(WAIT_S)  # blocks: done-callback


async def do_little() -> None:
    await asyncio.sleep(0.01)


@app.get("/done-callback")
async def await_with_callback() -> str:
    task = asyncio.create_task(do_little())
    task.add_done_callback(count_done)
    await task
    return "done"


async def flush_soon() -> None:
    await asyncio.sleep(0.05)
    with measure("forgotten"):
        time.sleep(WAIT_S)  # blocks: forgotten


@app.get("/forgotten")
async def start_and_answer() -> str:
    task = asyncio.create_task(flush_soon())
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)
    return "answered"


def expire_late() -> None:
    with measure("late-timer"):
        time.sleep(WAIT_S)  # blocks: late-timer


@app.get("/late-timer")
async def start_timer() -> str:
    asyncio.get_running_loop().call_later(0.05, expire_late)
    return "answered"
