"""FastAPI: asyncio's default executor with more users than threads, and one of the app's own.
anyio's pool is never full."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import aiofiles
from fastapi import FastAPI
from truth import note_wait

WORK_S, PAGE_S, PACE_S = 0.8, 0.15, 0.1
"""PACE_S: pause before work that takes no time, so that users do not wait for the event loop."""
NOTE = Path(__file__).with_name("documents") / "note.txt"
PRINTERS = ThreadPoolExecutor(2, thread_name_prefix="printer")
DESKS = ThreadPoolExecutor(64, thread_name_prefix="desk")

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


def compress(asked_s: float) -> str:
    note_wait("wait-to-compress", asked_s)
    time.sleep(WORK_S)  # holds: compress
    return "compressed"


@app.get("/compress")
async def send_compressed() -> str:
    return await asyncio.to_thread(compress, monotonic())  # waits: wait-to-compress


@app.get("/note")
async def send_note() -> str:
    await asyncio.sleep(PACE_S)
    asked_s = monotonic()
    file = await aiofiles.open(NOTE)  # waits: wait-for-note
    note_wait("wait-for-note", asked_s)
    asked_s = monotonic()
    text = await file.read()
    note_wait("wait-for-note", asked_s)
    asked_s = monotonic()
    await file.close()
    note_wait("wait-for-note", asked_s)
    return text


@app.get("/resolve")
async def resolve() -> int:
    await asyncio.sleep(PACE_S)
    asked_s = monotonic()
    found = await asyncio.get_running_loop().getaddrinfo("localhost", 80)  # waits: wait-to-resolve
    note_wait("wait-to-resolve", asked_s)
    return len(found)


def print_page(asked_s: float) -> str:
    note_wait("wait-for-printer", asked_s)
    time.sleep(PAGE_S)  # holds: print
    return "printed"


@app.get("/print")
async def send_to_printer() -> str:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(PRINTERS, print_page, monotonic())  # waits: wait-for-printer


def count_pages(asked_s: float) -> int:
    note_wait("wait-for-count", asked_s)
    return 3


@app.get("/pages")
async def send_page_count() -> int:
    await asyncio.sleep(PACE_S)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(PRINTERS, count_pages, monotonic())  # waits: wait-for-count


@app.get("/desk")
async def sleep_at_desk() -> str:
    await asyncio.get_running_loop().run_in_executor(DESKS, time.sleep, PAGE_S)
    return "slept"


@app.get("/free", response_model=None)
def sleep_in_free_pool() -> None:
    time.sleep(PAGE_S)
