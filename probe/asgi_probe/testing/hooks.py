"""The hooks that run the checks. pytest calls them only once a check is asked for."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .checks import LoopChecks, expected_key, found_key, unknown_key


class CheckHooks:
    def __init__(self, checks: LoopChecks) -> None:
        self._checks = checks
        self._notice: str | None = None
        self._is_part = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what an earlier run of the test has found: plug-ins repeat failed tests."""
        item.stash[expected_key] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        checks = self._checks
        limits = checks.find_limits(item)
        is_watched = limits.blocked_s is not None or limits.pool_wait_s is not None
        window, failed = checks.open(limits) if is_watched else None, True
        try:
            result = yield
            failed = False
        finally:
            text = None if window is None else checks.close(window, item)
            expected = [] if failed else item.stash.get(expected_key, [])
            texts = [*expected, *([] if text is None else [text])]
            checks.report("\n".join(texts) or None, item, failed=failed)
        return result

    def pytest_deselected(self) -> None:
        self._is_part = True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that was skipped, or that failed: its tests are unknown."""
        self._is_part = self._is_part or not report.passed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the found sites, and whether others may exist, to the report, which xdist sends to
        its controller."""
        report = yield
        writer = self._checks.writer
        is_part = self._is_part or unknown_key in item.stash
        is_part = is_part or (writer is not None and writer.obstacle is not None)
        report.loop_part = is_part  # type: ignore[attr-defined]
        if found_key in item.stash:
            found = [tuple(each) for each in item.stash[found_key]]
            report.loop_blocks = found  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._checks.writer is not None:
            self._checks.writer.note(report)

    def pytest_enter_pdb(self) -> None:
        self._checks.is_debugging = True
        self._checks.note_gap("a debugger ran")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """xdist's workers leave the file to its controller."""
        if self._checks.writer is not None and not hasattr(session.config, "workerinput"):
            self._notice = self._checks.writer.write(session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._notice is not None and self._checks.writer is not None:
            terminalreporter.write_line(self._notice, red=not self._checks.writer.is_written)

    def pytest_unconfigure(self) -> None:
        self._checks.stop()
