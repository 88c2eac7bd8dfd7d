"""FastAPI: threads that hold the GIL while the event loop needs it."""

from __future__ import annotations

import asyncio
import re

from fastapi import FastAPI
from truth import measure

HOSTILE = "a" * 22 + "b"
NUMBERS = [number * 7919 % 1_000_003 for number in range(1_200_000)]

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/regex")
def search() -> bool:
    with measure("gil-regex"):
        return re.match(r"(a+)+$", HOSTILE) is None  # blocks: gil-regex


@app.get("/sort")
def sort() -> int:
    with measure("gil-sort"):
        return sorted(NUMBERS)[0]  # blocks: gil-sort


def check() -> bool:
    with measure("gil-thread"):
        return re.match(r"(a+)+$", HOSTILE) is None  # blocks: gil-thread


@app.get("/thread")
async def check_in_thread() -> bool:
    return await asyncio.to_thread(check)
