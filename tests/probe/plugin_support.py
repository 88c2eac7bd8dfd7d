"""Inner runs of pytest with the plug-in, in this process; their tests block for known times."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from asgi_probe.testing.requests import APPS
from asgi_probe.testing.unseen_loops import unseen_loops

# imported here, they stay: pytester forgets what only an inner run has imported
pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi.testclient", reason="FastAPI's test client is not installed")
pytest.importorskip("anyio._backends._asyncio")
pytest.importorskip("asgi_probe.testing.hooks")


@pytest.fixture(autouse=True)
def unwrap_apps() -> Iterator[None]:
    """Inner runs in this process leave their wrappers; tests of other modules expect none. A loop
    of uvloop that ran before an inner run is none of its own."""
    unseen_loops.uvloop_ran = False
    yield
    for module, name in APPS:
        cls = getattr(sys.modules.get(module), name, None)
        original = getattr(getattr(cls, "__call__", None), "probe_original", None)  # noqa: B004
        if cls is not None and original is not None:
            cls.__call__ = original


PLUGIN = (
    "-p", "asgi_probe.pytest_plugin", "-p", "no:cacheprovider",
    "-o", "asyncio_default_fixture_loop_scope=function",
)  # fmt: skip

HEAD = """
import asyncio, hashlib, threading, time, unittest
import httpx, pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()

def block():
    time.sleep(0.1)

def compute():
    end_s = time.thread_time() + 0.1
    while time.thread_time() < end_s:
        sum(range(1_000))

async def run_blocking():
    block()

@app.get("/items/{item}")
async def read_item(item):
    block()

@app.get("/quick")
async def answer(): ...
"""


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_inner=HEAD + source)
    return pytester.runpytest_inprocess(*PLUGIN, *options, no_reraise_ctrlc=True)


BLOCKING = """
def test_blocks():
    asyncio.run(run_blocking())

def test_waits():
    asyncio.run(asyncio.sleep(0.1))
"""


SERVER = """
began, release = threading.Event(), threading.Event()

def hold(seconds):
    began.set()
    release.wait(seconds)

@pytest.fixture(scope="module")
def server():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

def end_block(server):  # nothing that the loop still runs is older
    release.set()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), server).result(10)
"""
