"""The cures of an audit are edited into a service, and measured to be better."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from pydantic import TypeAdapter

from analysis.findings.remedies import Cure
from tests.process.support import only_run, run_here
from tests.process.test_scripts import free_port
from tests.unit.cure_samples import apply_cure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]
SERVICE = """
import asyncio, threading, time
from contextlib import asynccontextmanager
import anyio.to_thread, httpx
import starlette.background
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

client = httpx.AsyncClient()

@asynccontextmanager
async def lifespan(_):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2
    yield

async def note() -> None:
    await asyncio.sleep(0.15)

class Reporting(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        if request.url.path == "/reported":
            await note()
        return response

app = FastAPI(lifespan=lifespan)
app.add_middleware(Reporting)

@app.get("/twin")
async def sleep() -> str:
    time.sleep(0.1)
    return "slept"

def load(number: int) -> str:
    threading.Event().wait(0.1)
    return str(number)

@app.get("/helper")
async def read() -> str:
    await asyncio.sleep(0)
    text = load(7)
    return text

@app.get("/event")
async def wait() -> bool:
    return threading.Event().wait(0.1)

@app.get("/rows")
def list_rows() -> str:
    time.sleep(0.05)
    return "rows"

@app.get("/reported")
async def report() -> str:
    return "reported"

@app.get("/made")
async def ask() -> str:
    async with httpx.AsyncClient() as client:
        return str(client.timeout)
"""
CODES = {
    "/twin": "LOOP_BLOCKED", "/helper": "LOOP_BLOCKED", "/event": "LOOP_BLOCKED",
    "/rows": "POOL_WAIT", "/reported": "ANSWER_DELAYED", "/made": "CLIENT_PER_REQUEST",
}  # fmt: skip
"""The fault of each route."""
AFTER = {
    "/twin": "    await asyncio.sleep(0.1)",
    "/helper": "    text = await anyio.to_thread.run_sync(load, 7)",
    "/event": "def wait() -> bool:",
    "/made": "    return str(client.timeout)",
}
USERS = 10
BETTER = 1.5
"""Times as fast, alone with all users: ten wait for one another before, and for nobody after; a
middleware waits for 150 ms before, and answers in some ms after."""


def audit(folder: Path) -> Path:
    command = (sys.executable, "-m", "uvicorn", "main:app", "--port", str(free_port()))
    asked = [word for route in CODES for word in ("--request", f"GET {route}")]
    words = ("--users", str(USERS), "--duration", "2s", "--out", str(folder / "out"), *asked)
    done = run_here(("audit", *words, "--", *command), folder)
    assert done.returncode == 0, done.stderr
    return only_run(folder / "out")


def load_cures(run: Path) -> Mapping[str, Cure]:
    """The findings of the planted faults, by route."""
    read = TypeAdapter(Cure).validate_python
    findings = json.loads((run / "findings.json").read_text())["findings"]
    return {
        each["route"]: read(each["cure"])
        for each in reversed(findings)
        if CODES.get(each["route"]) == each["code"] and each["cure"]
    }


def edit_service(folder: Path, cures: Sequence[Cure]) -> None:
    """Edit the last line first, so that earlier lines keep their numbers."""
    file = folder / "main.py"
    file.write_text(SERVICE)
    for cure in sorted(cures, key=lambda each: -(each.line or 0)):
        apply_cure(file, cure)


def measure_alone(run: Path) -> Mapping[str, float]:
    """The median in ms of each route, called alone by all users."""
    cell = run / "cells" / "audit"
    phases = json.loads((cell / "audit.json").read_text())["phases"]
    alone = [each["name"] for each in phases if each["users"] == USERS and len(each["routes"]) == 1]
    rows = pl.read_parquet(cell / "asked.parquet").filter(pl.col("phase").is_in(alone))
    took_ms = 1000 * (pl.col("ended_s") - pl.col("started_s")).median()
    return dict(rows.group_by("route").agg(took_ms).iter_rows())


def test_the_cures_of_an_audit_are_measured_to_be_better(tmp_path: Path) -> None:
    before_folder, after_folder = tmp_path / "before", tmp_path / "after"
    for folder in (before_folder, after_folder):
        folder.mkdir()
    edit_service(before_folder, ())
    run = audit(before_folder)
    cures = load_cures(run)
    assert set(cures) == set(CODES)
    assert {route: cures[route].after[-1] for route in AFTER} == AFTER
    assert cures["/rows"].trial == f"pool={USERS}"
    record = json.loads((run / "cells" / "audit" / "audit.json").read_text())
    assert cures["/helper"].costs_ms == record["hop_ms"] is not None
    edit_service(after_folder, list(cures.values()))
    cured = audit(after_folder)
    before, after = measure_alone(run), measure_alone(cured)
    assert {route: before[route] / after[route] > BETTER for route in CODES} == dict.fromkeys(
        CODES, True
    ), (before, after)
    assert load_cures(cured) == {}
