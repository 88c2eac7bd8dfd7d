"""FastAPI: a dependency that FastAPI limits to two requests at once, if it can."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from time import monotonic
from typing import Annotated

from fastapi import Depends, FastAPI
from truth import note_wait

WORK_S = 0.1
LIMIT = {"max_concurrency": 2} if "max_concurrency" in inspect.signature(Depends).parameters else {}
"""An older FastAPI has no such limit: then no request waits."""

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


async def read_clock() -> float:
    return monotonic()


Asked = Annotated[float, Depends(read_clock)]


def check_quota(asked_s: Asked) -> str:
    note_wait("wait-for-quota", asked_s)  # waits: wait-for-quota
    time.sleep(WORK_S)  # holds: quota
    return "quota"


@app.get("/quota")
async def spend(quota: Annotated[str, Depends(check_quota, **LIMIT)]) -> str:
    return quota


def open_ledger(asked_s: Asked) -> Iterator[str]:
    note_wait("wait-for-ledger", asked_s)  # waits: wait-for-ledger
    time.sleep(WORK_S)  # holds: ledger
    yield "ledger"


@app.get("/ledger")
async def read_ledger(ledger: Annotated[str, Depends(open_ledger, **LIMIT)]) -> str:
    return ledger
