"""FastAPI: a lifespan that blocks for longer than its route ever does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from truth import measure

WAIT_S = 0.12


@asynccontextmanager
async def load_model(_: FastAPI) -> AsyncIterator[None]:
    with measure("lifespan"):
        time.sleep(1.5)  # blocks: lifespan
    yield


app = FastAPI(lifespan=load_model)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/predict")
async def predict() -> str:
    with measure("after-startup"):
        time.sleep(WAIT_S)  # blocks: after-startup
    return "1"
