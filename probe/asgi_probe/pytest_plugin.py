"""The pytest plug-in: fails a test that blocks an event loop. Off until an option, the ini file,
the marker or the fixture asks for it; until then it imports nothing else of the probe."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # an older pytest than the checks need loads this file, too
    from .testing.checks import BlockCheck, LoopChecks

GROUP = "event loop (asgi-probe)"
MARKER = (
    "loop_blocking(max, allow): fail the test if it blocks an event loop for longer than max, such "
    'as "10ms"; allow: functions that may block, as "module.function"'
)
OPTIONS = (
    ("loop-blocking", "DURATION", 'Longest time that a test may block an event loop: "50ms".'),
    ("loop-blocking-action", "ACTION", "What follows: fail (the default) or warn."),
    ("loop-blocking-baseline", "FILE", "Known blocks, which do not fail a test."),
    ("pool-wait", "DURATION", "Longest wait for a thread of anyio's pool during a test."),
)
OLD_PYTEST = (
    f"asgi-probe cannot check event loops with pytest {pytest.__version__} and its version of "
    "pluggy. Update to pytest 8 or newer."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(GROUP)
    for name, metavar, text in OPTIONS:
        group.addoption(f"--{name}", metavar=metavar, help=text)
        parser.addini(name.replace("-", "_"), text)
    group.addoption(
        "--loop-blocking-write-baseline",
        action="store_true",
        help="Write all blocks to the file of --loop-blocking-baseline instead of failing.",
    )
    parser.addini("loop_blocking_allow", "Functions that may block.", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    names = [name for name, _, _ in OPTIONS]
    is_given = any(
        config.getoption(f"--{each}") is not None or config.getini(each.replace("-", "_"))
        for each in names
    )
    if is_given or config.getoption("--loop-blocking-write-baseline"):
        find_checks(config)


def find_checks(config: pytest.Config) -> LoopChecks:
    """Return the process's checks. Raises pytest.UsageError for a wrong option, and for versions of
    pytest before 7.0 and of pluggy before 1.2."""
    if not hasattr(pytest, "StashKey") or "wrapper" not in signature(pytest.hookimpl).parameters:
        raise pytest.UsageError(OLD_PYTEST)
    from .testing.checks import LoopChecks, checks_key

    checks = config.stash.get(checks_key, None)
    if checks is None:
        from .testing.hooks import CheckHooks
        from .testing.options import read_settings

        checks = config.stash[checks_key] = LoopChecks(config, read_settings(config))
        config.pluginmanager.register(CheckHooks(checks))
    return checks


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("loop_blocking"):
            find_checks(config).find_limits(item)


@pytest.fixture
def loop_blocking(request: pytest.FixtureRequest) -> BlockCheck:
    """Check one block of code: `with loop_blocking(max="20ms"):`, or `async with`."""
    checks = find_checks(request.config)
    from .testing.checks import BlockCheck

    checks.watch()
    return BlockCheck(checks, request.node)
