"""`study audit` of a service with middleware that waits, and with work after its answers."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.process.support import only_run, run_here

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(170)]
SERVICE = """
import asyncio, time

from fastapi import BackgroundTasks, FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

api = FastAPI()

class Limit(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        if request.url.path == "/kept":
            await asyncio.sleep(0.1)
        return response

async def guard(request, call_next):
    if request.url.path == "/guarded":
        await asyncio.sleep(0.1)
    return await call_next(request)

api.middleware("http")(guard)
api.add_middleware(Limit)

@api.get("/kept")
async def kept() -> str:
    return "x"

@api.get("/guarded")
async def guarded() -> str:
    return "x"

@api.get("/innocent")
async def innocent(tasks: BackgroundTasks) -> str:
    tasks.add_task(asyncio.sleep, 0.05)
    await asyncio.sleep(0.1)
    return "x"

def send_mail() -> None:
    time.sleep(4)

@api.get("/order")
async def order(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(0.02)
    tasks.add_task(send_mail)
    return "x"
"""


def find_line(text: str) -> int:
    (line,) = (at for at, each in enumerate(SERVICE.splitlines(), start=1) if text in each)
    return line


def read_findings(folder: Path) -> list[Mapping[str, object]]:
    content = json.loads((only_run(folder / "runs") / "findings.json").read_text())
    found: list[Mapping[str, object]] = content["findings"]
    return found


def test_middleware_and_background_work_are_found_with_their_places(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVICE)
    options = "--users", "10", "--duration", "6s", "--out", "runs"
    done = run_here(
        ("audit", *options, "--", sys.executable, "-m", "uvicorn", "main:api", "--port", "0"),
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = read_findings(tmp_path)
    delayed = {
        (each["route"], each["cause"], each["line"], each["function"]): each
        for each in found
        if each["code"] == "ANSWER_DELAYED"
    }
    assert set(delayed) == {
        ("/kept", "answer", find_line("def dispatch"), "Limit.dispatch"),
        ("/guarded", "request", find_line("def guard("), "guard"),
    }
    for each in delayed.values():
        assert isinstance(each["seconds"], float)
        assert isinstance(each["count"], int)
        assert each["seconds"] == pytest.approx(0.1 * each["count"], rel=0.2)
    (behind,) = [each for each in found if each["code"] == "BACKGROUND_BACKLOG"]
    assert (behind["route"], behind["line"]) == ("/order", find_line("def send_mail"))
