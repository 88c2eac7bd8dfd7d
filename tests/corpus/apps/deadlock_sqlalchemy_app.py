"""FastAPI: seven threads and three connections. A request keeps its connection while its response
waits for a thread to be serialized; the wait for a connection ends after a second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool
from truth import measure

ENGINE = create_engine(
    "sqlite://", poolclass=QueuePool, pool_size=3, max_overflow=0, pool_timeout=1.0,
    connect_args={"check_same_thread": False},
)  # fmt: skip


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 7
    yield


app = FastAPI(lifespan=shrink_pool)


@app.exception_handler(PoolTimeoutError)
async def report_busy(_: Request, __: Exception) -> PlainTextResponse:
    return PlainTextResponse("busy", status_code=503)


@app.get("/ping")
async def ping() -> str:
    return "pong"


def open_session() -> Iterator[Session]:
    with Session(ENGINE) as session:
        yield session


class Stock(BaseModel):
    items: int


@app.get("/stock", response_model=Stock)
def read_stock(session: Annotated[Session, Depends(open_session)]) -> dict[str, object]:
    with measure("stock-deadlock"):
        found = session.execute(text("SELECT 3"))  # waits: stock-deadlock
    return {"items": found.scalar_one()}
