"""FastAPI: garbage collection with a big heap."""

from __future__ import annotations

import gc

from fastapi import FastAPI
from truth import measure

HEAP = [[number] for number in range(1_500_000)]

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/collect")
async def collect() -> int:
    with measure("collect"):
        return gc.collect()  # blocks: collect


def drop_caches() -> int:
    with measure("collect-deep"):
        return gc.collect()  # blocks: collect-deep


@app.get("/trim/{level}")
async def trim(level: int) -> int:
    return level + drop_caches()
