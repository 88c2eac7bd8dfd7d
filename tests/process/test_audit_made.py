"""`study audit` of a service that creates shared objects per request, and of one that is right."""

import json
import sys
from pathlib import Path

import pytest

from tests.process.support import only_run, run_here
from tests.process.test_scripts import free_port

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
SERVICE = """
import contextlib, functools, ssl, threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
import aiohttp
import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine

shared, stop, pool, kept = httpx.AsyncClient(), threading.Event(), ThreadPoolExecutor(3), []
lazy = functools.cache(httpx.Client)

@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = 2
    yield
    stop.set()

api = FastAPI(lifespan=lifespan)

def get_client() -> httpx.Client:
    return httpx.Client()              # CLIENT_PER_REQUEST /dependency

@api.get("/dependency")
async def depend(client: httpx.Client = Depends(get_client)) -> None: ...

@api.get("/client")
async def make_client() -> None:
    async with httpx.AsyncClient():    # CLIENT_PER_REQUEST /client
        pass

@api.get("/late")
def import_late() -> None:
    import httpx2
    httpx2.Client()                    # CLIENT_PER_REQUEST /late

@api.get("/session")
async def make_session() -> None:
    async with aiohttp.ClientSession():  # CLIENT_PER_REQUEST /session
        pass

@api.get("/context")
def make_context() -> None:
    ssl.create_default_context()       # CLIENT_PER_REQUEST /context

@api.get("/engine")
def make_engine() -> None:
    create_engine("sqlite://")         # CLIENT_PER_REQUEST /engine

@api.get("/threads")
async def start_thread() -> None:
    threading.Thread(target=stop.wait, daemon=True).start()  # THREAD_GROWTH /threads

@api.get("/executors")
def make_executor() -> None:
    kept.append(ThreadPoolExecutor(1))  # THREAD_GROWTH /executors
    kept[-1].submit(int).result()

@api.get("/shared")
async def use_shared() -> None:
    shared.build_request("GET", "http://127.0.0.1/")

@api.get("/lazy")
def use_lazy() -> None:
    lazy()

@api.get("/joined")
def join_thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

@api.get("/pool")
def use_pool() -> int:
    return pool.submit(int).result()
"""
PLANTED = {
    (*line.partition("# ")[2].split(), number)
    for number, line in enumerate(SERVICE.splitlines(), start=1)
    if "# " in line
}
CODES = {"CLIENT_PER_REQUEST", "THREAD_GROWTH", "LIMITER_SIZE", "GIL_REENABLED"}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_is_made_in_each_request_is_found_and_nothing_else(tmp_path: Path, loop: str) -> None:
    folder, out = tmp_path / "service", tmp_path / "out"
    folder.mkdir()
    (folder / "main.py").write_text(SERVICE)
    server = (sys.executable, "-m", "uvicorn", "main:api", "--port", str(free_port()))
    load = ("--users", "3", "--duration", "4s", "--out", str(out))
    done = run_here(("audit", *load, "--", *server, "--loop", loop), folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((only_run(out) / "findings.json").read_text())["findings"]
    mine = [each for each in found if each["code"] in CODES]
    places = {(each["code"], each["route"], each["line"]) for each in mine if each["route"]}
    assert places == PLANTED
    (size,) = [each for each in mine if each["route"] is None]
    assert (size["code"], size["tokens"]) == ("LIMITER_SIZE", 2.0)
    calls = {each["route"]: each["call"] for each in mine if each["route"]}
    assert calls == {
        "/dependency": "httpx.Client", "/client": "httpx.AsyncClient", "/late": "httpx2.Client",
        "/session": "aiohttp.ClientSession", "/context": "TLS context",
        "/engine": "sqlalchemy.create_engine", "/threads": "threading.Thread",
        "/executors": "ThreadPoolExecutor",
    }  # fmt: skip
    for each in mine:
        if each["call"] in ("httpx.Client", "httpx.AsyncClient", "httpx2.Client", "TLS context"):
            assert each["severity"] == "warning"
            assert each["median_ms"] > 1.0
