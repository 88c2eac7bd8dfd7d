"""`study audit` of a service whose requests keep a connection while they wait for a thread."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.process.support import only_run, run_here

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
SERVICE = """
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

engine = create_engine(
    "sqlite://", poolclass=QueuePool, pool_size=2, max_overflow=1, pool_timeout=3,
    connect_args={"check_same_thread": False},
)

@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 8
    yield

app = FastAPI(lifespan=lifespan)

def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session

@app.get("/items")
def read_items(session: Session = Depends(get_session)) -> list[str]:
    return list(session.execute(text("select 'a'")).scalars())

@app.get("/health")
def health() -> str:
    return "well"
"""
LINE = 1 + SERVICE[: SERVICE.index("session.execute")].count("\n")


def test_both_sizes_are_named(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVICE)
    order = (
        "--users",
        "20",
        "--duration",
        "6s",
        "--request",
        "GET /items",
        "--request",
        "GET /health",
    )
    ended = run_here(("audit", *order, "--out", "audits", "main:app"), tmp_path)
    assert ended.returncode == 0, ended.stderr
    run = only_run(tmp_path / "audits")
    findings = json.loads((run / "findings.json").read_text())["findings"]
    (found,) = [each for each in findings if each["code"] == "POOL_DEADLOCK"]
    assert (found["route"], found["phase"]) == ("/items", "endpoint")
    assert (found["file"], found["line"], found["function"]) == ("main.py", LINE, "read_items")
    assert found["call"] == "QueuePool of 3 (1 of them overflow)"
    assert (found["stood"], found["capacity"]) == (8, 8)
    assert found["confidence"] in ("medium", "high")
    assert "(response serialization)" in found["message"]
    rows = pl.read_parquet(run / "cells" / "audit" / "asked.parquet")
    spent_s = (rows["ended_s"] - rows["started_s"]).fill_null(0.0).sum()
    assert 1.0 < found["seconds"] <= spent_s
