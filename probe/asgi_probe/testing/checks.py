"""The checks of one pytest process: what a test or a `with` block may take, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import pytest

from .baseline import BaselineWriter, SiteKey
from .block_texts import find_key, format_blocks, format_waits
from .found_blocks import FoundBlock
from .imported_libraries import watch_libraries
from .monitor import BlockMonitor, CheckWindow
from .options import CheckLimits, CheckSettings, apply_limits, read_marker
from .unseen_loops import take_notice

SECTION = "event loop"
NOT_COMPARED = (
    "{} blocked the event loop, but no stack was sampled: the block cannot be compared with the"
    " baseline. Run the test again."
)
checks_key: pytest.StashKey[LoopChecks] = pytest.StashKey()
"""The checks of a process, in its config."""
found_key: pytest.StashKey[list[SiteKey]] = pytest.StashKey()
"""Sites that blocked a loop during a test."""
expected_key: pytest.StashKey[list[str]] = pytest.StashKey()
"""What was found in `with` blocks that an exception ended; the test may expect it."""
unknown_key: pytest.StashKey[bool] = pytest.StashKey()
"""A test had a block whose site is unknown."""


class LoopBlockingWarning(pytest.PytestWarning):
    """A test blocked an event loop, and the action is `warn`."""


class LoopChecks:
    """One per process. Blocks are timed from the first fixture or check on; until then a loop of
    uvloop may already run."""

    def __init__(self, config: pytest.Config, settings: CheckSettings) -> None:
        self.settings = settings
        self.is_debugging = False
        """A debugger blocks the loop."""
        path = settings.baseline_path
        self.writer = None
        if settings.writes and path is not None:
            self.writer = BaselineWriter(path, settings.baseline)
        self._is_notified = self._is_fault_told = False
        self._config = config
        self._end_watch = watch_libraries()
        self._monitor: BlockMonitor | None = None

    def find_limits(self, item: pytest.Item) -> CheckLimits:
        return read_marker(item, self.settings.limits)

    def watch(self) -> BlockMonitor:
        """Time the loops from here on. A step of a loop that runs already is not timed."""
        if self._monitor is None:
            self._monitor = BlockMonitor(self._config.rootpath)
        return self._monitor

    def open(self, limits: CheckLimits) -> CheckWindow:
        return self.watch().open(limits)

    def close(self, window: CheckWindow, item: pytest.Item) -> str | None:
        """Return the text of what is new in a window; None if nothing is."""
        if self._monitor is None:
            return None
        blocks, waits = self._monitor.close(window)
        fault, notice = self._monitor.threads.fault, take_notice(item.nodeid)
        if fault is not None:
            self.note_gap("the plug-in failed")
        if fault is not None and not self._is_fault_told:
            self._is_fault_told = True
            text = f"the plug-in watches nothing more after an error of its own: {fault!r}"
            item.warn(LoopBlockingWarning(text))
        if notice is not None and not self._is_notified:
            self._is_notified = True
            item.warn(LoopBlockingWarning(notice))
        if self.is_debugging:
            return None
        limits, texts = window.limits, []
        if self.settings.baseline_path is not None:
            blocks = self._compare(blocks, item)
        if blocks and limits.blocked_s is not None:
            texts.append(format_blocks(blocks, limits.blocked_s))
        if waits and limits.pool_wait_s is not None:
            texts.append(format_waits(waits, limits.pool_wait_s))
        return "\n".join(texts) or None

    def note_gap(self, obstacle: str) -> None:
        if self.writer is not None:
            self.writer.obstacle = obstacle

    def _compare(self, blocks: Sequence[FoundBlock], item: pytest.Item) -> list[FoundBlock]:
        """Return the blocks that fail a test in spite of a baseline. Without a stack sample, as on
        a machine that is too busy for the sampler, a block cannot be compared: it only warns."""
        sampled = [each for each in blocks if each.site is not None]
        if len(sampled) < len(blocks):
            item.warn(LoopBlockingWarning(NOT_COMPARED.format(item.nodeid)))
            item.stash[unknown_key] = True
        item.stash.setdefault(found_key, []).extend(map(find_key, sampled))
        if self.settings.writes:
            return []
        return [each for each in sampled if not find_key(each).is_in(self.settings.baseline)]

    def report(self, text: str | None, item: pytest.Item, *, failed: bool = False) -> None:
        """Fail or warn. failed: the test has probably failed already, so that its report grows; if
        it expected that, it fails at its end."""
        if text is None:
            return
        if failed:
            item.add_report_section("call", SECTION, text)
            item.stash.setdefault(expected_key, []).append(text)
        elif self.settings.warns:
            item.warn(LoopBlockingWarning(text))
        else:
            pytest.fail(text, pytrace=False)

    def stop(self) -> None:
        self._end_watch()
        if self._monitor is not None:
            self._monitor.stop()
            self._monitor = None


class CheckedBlock:
    """The context manager of the fixture, for `with` and `async with`."""

    def __init__(self, checks: LoopChecks, item: pytest.Item, limits: CheckLimits) -> None:
        self._checks = checks
        self._item = item
        self._limits = limits

    def __enter__(self) -> None:
        self._window = self._checks.open(self._limits)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        text = self._checks.close(self._window, self._item)
        self._checks.report(text, self._item, failed=error is not None)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


class BlockCheck:
    """What the fixture returns: `with loop_blocking(max="20ms"):` checks one block of code."""

    def __init__(self, checks: LoopChecks, item: pytest.Item) -> None:
        self._checks = checks
        self._item = item

    def __call__(self, **given: object) -> CheckedBlock:
        """max: a duration such as "20ms"; default: the test's. allow: functions as
        "module.function". Raises ValueError for anything else."""
        limits = apply_limits(self._checks.find_limits(self._item), given)
        return CheckedBlock(self._checks, self._item, limits._replace(pool_wait_s=None))
