"""The pytest plug-in: what fails a test, and what its message says. Each inner run is a run of
pytest in this process; its tests block for known times."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)
PLUGIN = ("-p", "asgi_probe.pytest_plugin", "-p", "no:cacheprovider")


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess(*PLUGIN, *options)


BLOCKING = """
    import asyncio, time

    async def block():
        time.sleep(0.1)

    def test_blocks():
        asyncio.run(block())

    def test_waits():
        asyncio.run(asyncio.sleep(0.1))
"""


def test_a_blocking_call_fails_its_test_and_no_other(pytester: pytest.Pytester) -> None:
    result = run(pytester, BLOCKING, "--loop-blocking=50ms")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r"The event loop was blocked for 1\d\d ms; the maximum is 50 ms\.",
            r"  test_a_blocking_call\S*\.py:4 in block: time\.sleep",
            r"  Cause: the thread waited in this call\.",
        ]
    )


def test_without_an_option_nothing_is_watched(pytester: pytest.Pytester) -> None:
    run(pytester, BLOCKING).assert_outcomes(passed=2)
