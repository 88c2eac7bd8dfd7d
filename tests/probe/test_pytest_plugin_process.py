"""The pytest plug-in in processes of its own: what is imported while it is off, its entry point,
pytest-xdist, and pytest's own faulthandler timer."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)
pytestmark = [pytest.mark.slow, pytest.mark.untimed]
PROBE = Path(__file__).parents[2] / "probe"
FREEZER = Path(__file__).with_name("frozen_time.py")
PLUGIN = ("-p", "asgi_probe.pytest_plugin", "-p", "no:cacheprovider")
BLOCKING = """
import asyncio, time

async def block():
    time.sleep(0.1)

def test_blocks():
    asyncio.run(block())

def test_waits():
    asyncio.run(asyncio.sleep(0.1))
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROBE))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # some take seconds


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess(*options, timeout=50)


def test_while_it_is_off_it_imports_nothing_else(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): ...")
    pytester.makeconftest("""
        import sys

        def pytest_sessionfinish():
            print("loaded:", sorted(each for each in sys.modules if "asgi_probe" in each))
    """)
    result = run(pytester, *PLUGIN, "-s")
    assert "loaded: ['asgi_probe', 'asgi_probe.pytest_plugin']" in result.stdout.str()


def test_the_entry_point_loads_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As installed: the distribution's metadata have the entry point of pyproject.toml."""
    project = (PROBE / "pyproject.toml").read_text()
    (section,) = re.findall(r"\[project\.entry-points\.(pytest11)\]\n((?:\w.*\n)+)", project)
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    metadata = pytester.mkdir("installed") / "asgi_probe-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: asgi-probe\nVersion: 0\n")
    lines = section[1].replace('"', "")
    (metadata / "entry_points.txt").write_text(f"[{section[0]}]\n{lines}")
    monkeypatch.setenv("PYTHONPATH", f"{PROBE}:{metadata.parent}")
    pytester.makepyfile(test_inner=BLOCKING)
    run(pytester, "--loop-blocking=50ms").assert_outcomes(passed=1, failed=1)


def test_xdist_fails_tests_and_its_controller_writes_the_baseline(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makepyfile(test_one=BLOCKING, test_two=BLOCKING.replace("block", "stop"))
    options = (*PLUGIN, "-p", "xdist", "-n2", "--loop-blocking=50ms")
    run(pytester, *options).assert_outcomes(passed=2, failed=2)
    known = (*options, "--loop-blocking-baseline=known.json")
    run(pytester, *known, "--loop-blocking-write-baseline").assert_outcomes(passed=4)
    text = (pytester.path / "known.json").read_text()
    assert '"block"' in text
    assert '"stop"' in text
    run(pytester, *known).assert_outcomes(passed=4)


IMPORTED_INSIDE = """
def test_imports_inside():
    import uvloop
    uvloop.run(block())
"""
STARTED_EARLIER = """
import threading, uvloop, pytest

@pytest.fixture(scope="session")
def loop():
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

def test_uses_a_running_loop(loop):
    asyncio.run_coroutine_threadsafe(block(), loop).result(10)
"""


@pytest.mark.parametrize("source", [IMPORTED_INSIDE, STARTED_EARLIER])
def test_a_loop_of_uvloop_is_named_in_the_first_test_that_has_one(
    pytester: pytest.Pytester, source: str
) -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    pytester.makepyfile(test_inner=BLOCKING.split("def test")[0] + source)
    result = run(pytester, *PLUGIN, "--loop-blocking=50ms")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*LoopBlockingWarning: uvloop ran during test_inner.py::*"])


POOL = """
import asyncio, time

def test_waits():
    import anyio, anyio.to_thread

    async def main():
        one = anyio.CapacityLimiter(1)
        calls = (anyio.to_thread.run_sync(time.sleep, 0.1, limiter=one) for _ in range(2))
        await asyncio.gather(*calls)

    anyio.run(main)
"""


def test_anyio_is_watched_in_the_test_that_imports_it(pytester: pytest.Pytester) -> None:
    pytest.importorskip("anyio", reason="anyio is not installed")
    pytester.makepyfile(test_inner=POOL)
    run(pytester, *PLUGIN, "--pool-wait=50ms").assert_outcomes(failed=1)


def test_pytests_own_timer_still_fires(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_inner=BLOCKING.replace("time.sleep(0.1)", "time.sleep(1.5)"))
    result = run(pytester, *PLUGIN, "--loop-blocking=50ms", "-o", "faulthandler_timeout=0.5")
    result.assert_outcomes(passed=1, failed=1)
    result.stderr.fnmatch_lines(["Timeout (*)!", "*in block"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is never known")
def test_without_run_delays_the_message_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_inner=BLOCKING)
    pytester.makeconftest("""
        from asgi_probe import clocks

        clocks.ON_LINUX = False
    """)
    result = run(pytester, *PLUGIN, "--loop-blocking=50ms")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["  This system does not report how long a thread waits*"])


FROZEN = """
import asyncio, pytest, time
from frozen_time import freeze_time

@pytest.fixture
def frozen():
    with freeze_time():
        yield

def test_freezes():
    async def main():
        with freeze_time():
            time.sleep(0.001)  # a handle that waits for nothing is excused: the machine stood still
            await asyncio.sleep(0)
    asyncio.run(main())

def test_blocks(frozen):
    async def main():
        time.sleep(0.1)
    asyncio.run(main())

def test_imports_the_plug_in_while_it_is_frozen(frozen, loop_blocking):
    async def main():
        time.sleep(0.1)
    with loop_blocking(max="50ms"):
        asyncio.run(main())
"""


@pytest.mark.parametrize(("options", "failed"), [(["--loop-blocking=50ms"], 2), ([], 1)])
def test_a_frozen_time_neither_makes_nor_hides_a_block(
    pytester: pytest.Pytester, options: list[str], failed: int
) -> None:
    pytester.makepyfile(test_inner=FROZEN, frozen_time=FREEZER.read_text())
    # without the summary, which in CI repeats each message
    result = run(pytester, *PLUGIN, *options, "-rN")
    result.assert_outcomes(passed=3 - failed, failed=failed)
    shown = re.findall(r"blocked for (\d+) ms;", result.stdout.str())
    assert len(shown) == failed
    # a busy machine adds to the 100 ms, less than the time limit of the run; some is excused
    assert all(50 <= int(each) < 50_000 for each in shown)


PROBED = """
import asyncio, time
import httpx
from asgi_probe import Probe, recorder
from fastapi import FastAPI

app = FastAPI()
make = recorder.make_texts

def make_slowly(*given):
    time.sleep(0.2)
    return make(*given)

recorder.make_texts = make_slowly

@app.get("/quick")
async def answer(): ...

@app.get("/long")
async def block_long():
    time.sleep(0.6)  # a busy machine may sample less than all of it

def test_with_a_probe(tmp_path):
    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Probe(app, tmp_path))) as client:
            await client.get("http://app/PATH")
    asyncio.run(main())
"""


@pytest.mark.parametrize(("path", "blocks"), [("quick", False), ("long", True)])
def test_the_work_of_a_probe_in_the_app_fails_no_test(
    pytester: pytest.Pytester, path: str, blocks: bool
) -> None:
    for module in ("httpx", "fastapi"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    pytester.makepyfile(PROBED.replace("PATH", path))
    result = run(pytester, *PLUGIN, "--loop-blocking=50ms")
    result.assert_outcomes(passed=not blocks, failed=blocks)
