"""The plug-in's check of waits for the thread pool."""

from __future__ import annotations

import pytest

from tests.probe.plugin_support import SERVER, run, unwrap_apps

pytest_plugins = ("pytester",)
__all__ = ["unwrap_apps"]


POOL = """
import anyio

@app.get("/slow")
def read_slowly():
    time.sleep(0.1)

def test_pool():
    async def main():
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await asyncio.gather(*(client.get("/slow") for _ in range(CALLS)))
    asyncio.run(main())
"""


def test_a_long_wait_for_the_pool_fails(pytester: pytest.Pytester) -> None:
    result = run(pytester, "CALLS = 6\n" + POOL, "--pool-wait=50ms")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"test_inner\.read_slowly waited \d+ ms for a thread of the pool in /slow, all 2 tokens"
            r" being taken; the maximum is 50 ms\.",
            r"  4 calls waited for longer than that\.",
            r"  Threads of the pool: \d at test_inner\.py:\d+ in read_slowly: time\.sleep",
        ]
    )


def test_calls_within_the_pool_do_not_wait(pytester: pytest.Pytester) -> None:
    run(pytester, "CALLS = 2\n" + POOL, "--pool-wait=50ms").assert_outcomes(passed=1)


def test_a_wait_that_began_earlier_does_not_fail(pytester: pytest.Pytester) -> None:
    """The wait may fail the test in which it began; on a fast machine it is shorter at its end."""
    source = """
import anyio

waits = []

async def start():
    limiter = anyio.CapacityLimiter(1)
    for _ in range(2):
        waits.append(asyncio.ensure_future(
            anyio.to_thread.run_sync(release.wait, 10, limiter=limiter)
        ))
    while not limiter.statistics().tasks_waiting:
        await asyncio.sleep(0.001)

def test_first(server):
    asyncio.run_coroutine_threadsafe(start(), server).result(10)

def test_innocent(server):
    time.sleep(0.3)
    release.set()
    asyncio.run_coroutine_threadsafe(asyncio.wait(waits), server).result(10)
"""
    result = run(pytester, SERVER + source, "--pool-wait=200ms", "-rA")
    result.stdout.fnmatch_lines(["PASSED test_inner.py::test_innocent"])


def test_a_proxy_that_raises_is_named_by_its_type(pytester: pytest.Pytester) -> None:
    tests = """
import anyio.to_thread

class Proxy:
    def __getattr__(self, name):
        raise ConnectionError(name)
    def __call__(self):
        time.sleep(0.1)

def test_pool():
    async def main():
        one = anyio.CapacityLimiter(1)
        call = anyio.to_thread.run_sync
        await asyncio.gather(*(call(Proxy(), limiter=one) for _ in range(3)))
    asyncio.run(main())
"""
    run(pytester, tests, "--pool-wait=5s").assert_outcomes(passed=1)
    result = run(pytester, tests, "--pool-wait=50ms")
    result.stdout.re_match_lines([r"Proxy waited \d+ ms for a thread of the pool"])
