"""FastAPI: `def` code that does nothing and still takes a thread, next to `def` code that needs
one. The pool is never full."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, FastAPI
from truth import note_run

WORK_S = 0.05
SETTINGS = {"title": "corpus"}

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


async def note_alive() -> None:
    """Not in the trivial code itself: recording a time is work."""
    note_run("alive-is-trivial")


@app.get("/alive", response_model=None, dependencies=[Depends(note_alive)])
def check_alive() -> dict[str, str]:
    return {"status": "ok"}  # waits: alive-is-trivial


def get_settings() -> dict[str, str]:
    return SETTINGS  # waits: settings-are-trivial


@app.get("/title")
async def get_title(settings: Annotated[dict[str, str], Depends(get_settings)]) -> str:
    note_run("settings-are-trivial")
    return settings["title"]


@app.get("/row", response_model=None)
def read_row() -> str:
    time.sleep(WORK_S)
    return "row"


def find_tenant() -> str:
    time.sleep(WORK_S)
    return "tenant"


@app.get("/tenant")
async def get_tenant(tenant: Annotated[str, Depends(find_tenant)]) -> str:
    return tenant


@app.get("/sum", response_model=None)
def add_up() -> int:
    return sum(number * number % 7 for number in range(20_000))
