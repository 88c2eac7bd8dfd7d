"""Changes that an audit tries without editing the service, under real servers: as many requests as
needed run at once."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from stress.audit.attach import start_audited_app
from stress.audit.command import AuditedCommand
from stress.audit.reports import TrialReport, read_trial
from stress.interruption import Interruption
from stress.machine import find_free_port
from tests.process.support import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]

PARTIES = ThreadPoolExecutor()._max_workers + 2
"""More than the threads of asyncio's default executor."""
SERVICE = """
import asyncio
import threading

import anyio.to_thread
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = FastAPI()
seen = []
meeting = threading.Barrier(PARTIES)

@app.get("/pool")
async def show_pool():
    return anyio.to_thread.current_default_thread_limiter().total_tokens

@app.get("/executor")
async def use_executor():
    await asyncio.to_thread(meeting.wait, 30)
    return "met"

@app.get("/report/{name}")
async def make_report(name: str):
    meeting.wait(30)
    seen.append(name)
    return f"{name} of {len(seen)}"[:3]

async def make_page(request):
    meeting.wait(30)
    return PlainTextResponse(request.path_params["name"])

app.mount("/pages", Starlette(routes=[Route("/{name}", make_page)]))
"""
UVICORN = "-m uvicorn main:app --port {port}"
UVLOOP = "-m uvicorn main:app --loop uvloop --port {port}"
GUNICORN = "-m gunicorn main:app -k asgi -b 127.0.0.1:{port}"
HYPERCORN = "-m hypercorn main:app -b 127.0.0.1:{port}"
GRANIAN = "-m granian --interface asgi main:app --port {port}"


def try_change(
    words: str, change: dict[str, object], paths: Sequence[str], folder: Path
) -> tuple[list[str], TrialReport]:
    """The responses to requests sent all at once, and the service's report."""
    (folder / "main.py").write_text(SERVICE.replace("PARTIES", str(PARTIES)))
    variable = f"ASGI_PROBE_TRIAL={json.dumps(change)}"
    argv = ("env", variable, sys.executable, *words.format(port=find_free_port(0)).split())
    raw = folder / "raw"
    with start_audited_app(AuditedCommand(argv, folder), raw, Interruption()) as app:

        def ask(path: str) -> str:
            with urlopen(f"{app.url}{path}", timeout=60) as answer:
                return str(answer.read().decode())

        with ThreadPoolExecutor(len(paths)) as clients:
            answers = list(clients.map(ask, paths))
        wait_for(lambda: read_trial(app.raw).applied, "the report of the change")
        return answers, read_trial(app.raw)


def test_the_pool_has_another_size(tmp_path: Path) -> None:
    answers, trial = try_change(UVICORN, {"pool": 7}, ["/pool"], tmp_path)
    assert answers == ["7"]
    assert trial == TrialReport(applied=True, invalid=None, warnings=())


@pytest.mark.parametrize("words", [UVICORN, UVLOOP])
def test_more_calls_than_the_executor_had_threads_run_at_once(words: str, tmp_path: Path) -> None:
    answers, trial = try_change(words, {"executor": PARTIES}, ["/executor"] * PARTIES, tmp_path)
    assert answers == ['"met"'] * PARTIES
    assert trial == TrialReport(applied=True, invalid=None, warnings=())


@pytest.mark.parametrize("words", [GUNICORN, GRANIAN])
def test_endpoints_of_fastapi_run_at_once(words: str, tmp_path: Path) -> None:
    change: dict[str, object] = {"offload": "/report/{name}"}
    answers, trial = try_change(words, change, ["/report/ada"] * PARTIES, tmp_path)
    assert answers == ['"ada"'] * PARTIES
    assert (trial.applied, trial.invalid) == (True, None)
    line = SERVICE.splitlines().index("    seen.append(name)") + 1
    assert [each.split(", and")[0] for each in trial.warnings] == [
        f"make_report (main.py:{line}) reads and changes seen"
    ]


def test_endpoints_of_starlette_in_a_mount_run_at_once(tmp_path: Path) -> None:
    change: dict[str, object] = {"offload": "/pages/{name}"}
    answers, trial = try_change(HYPERCORN, change, ["/pages/ada"] * PARTIES, tmp_path)
    assert answers == ["ada"] * PARTIES
    assert trial == TrialReport(applied=True, invalid=None, warnings=())
