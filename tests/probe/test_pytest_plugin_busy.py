"""No false alarm while other processes take every core, and every planted block is found.

PLUGIN_REPETITIONS=50 repeats each inner test as often; 50 of them take about ten minutes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

for module in ("httpx", "fastapi"):
    pytest.importorskip(module, reason=f"{module} is not installed")

pytest_plugins = ("pytester",)
REPETITIONS = int(os.environ.get("PLUGIN_REPETITIONS", "2"))
PER_REPETITION_S = 40
"""Nine inner tests, each of at most 2.6 s with four times as many threads as cores."""
LIMIT_S = 60 + PER_REPETITION_S * REPETITIONS
PROBE = Path(__file__).parents[2] / "probe"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps run delays")
SPIN = f"""
import time
end_s = time.monotonic() + {LIMIT_S}
while time.monotonic() < end_s:
    sum(range(100_000))
"""

SUITE = f"""
import asyncio, functools, hashlib, time
import httpx, pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()
repeat = pytest.mark.parametrize("turn", range({REPETITIONS}))

def compute(cpu_s):
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        sum(range(1_000))

@app.get("/innocent")
async def wait_and_compute():
    await asyncio.sleep(0.01)
    compute(0.005)

@app.get("/threaded")
def work_in_a_thread():
    compute(0.03)
    time.sleep(0.01)

@app.get("/hash")
def make_hash():
    hashlib.pbkdf2_hmac("sha256", b"1", b"1", 50_000)

@app.get("/sleeps")
async def sleep():
    time.sleep(0.1)

@app.get("/computes")
async def compute_long():
    compute(0.1)

PATHS = ("/innocent", "/threaded", "/hash", "/threaded")

@repeat
def test_innocent_wait(turn):
    asyncio.run(asyncio.sleep(0.03))

@repeat
def test_innocent_steps(turn):
    async def main():
        for _ in range(5):
            compute(0.015)
            await asyncio.sleep(0)
    asyncio.run(main())

@repeat
def test_innocent_client(turn):
    with TestClient(app) as client:
        for path in PATHS:
            client.get(path)

@repeat
def test_innocent_transport(turn):
    async def main():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await asyncio.gather(*(client.get(each) for each in PATHS))
    asyncio.run(main())

@repeat
def test_innocent_threads(turn):
    async def main():
        loop = asyncio.get_running_loop()
        each = functools.partial(compute, 0.05)
        work = asyncio.gather(*(loop.run_in_executor(None, each) for _ in range(2)))
        while not work.done():
            await asyncio.sleep(0.001)
            compute(0.002)
    asyncio.run(main())

@repeat
def test_planted_sleep(turn):
    asyncio.run(sleep())

@repeat
def test_planted_computation(turn):
    asyncio.run(compute_long())

@repeat
def test_planted_sleep_in_a_client(turn):
    TestClient(app).get("/sleeps")

@repeat
def test_planted_computation_in_a_client(turn):
    TestClient(app).get("/computes")
"""


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Every core is taken by a process that ends by itself, too."""
    spins = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for spin in spins:
            spin.kill()
            spin.wait()


@ON_LINUX
@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.usefixtures("busy_machine")
def test_a_busy_machine_gives_no_false_alarm(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROBE))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_inner=SUITE)
    result = pytester.runpytest_subprocess(
        "-p", "asgi_probe.pytest_plugin", "--loop-blocking=50ms", "-rA", timeout=LIMIT_S - 10
    )
    found = re.findall(r"^(PASSED|FAILED) \S+::(test_\w+)\[", result.stdout.str(), re.M)
    alarms, missed = Counter(found), REPETITIONS
    names = {name for _, name in found}
    assert len(names) == 9
    for name in names:
        expected = "FAILED" if "planted" in name else "PASSED"
        assert alarms[expected, name] == missed, name
