"""The file of known blocks: sites that do not fail a test yet. A site has no line number, which
other changes move."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

VERSION = 1
OPTION = "--loop-blocking-baseline"


class SiteKey(NamedTuple):
    file: str
    function: str
    call: str


def check_file(path: Path, *, writes: bool) -> None:
    """Raises pytest.UsageError if a path cannot be that of a baseline: a pipe, which would wait for
    ever, a device, or a folder."""
    try:
        if not path.exists():
            problem = "no such folder" if writes and not path.parent.is_dir() else None
        else:
            problem = None if path.is_file() else "no regular file"
    except OSError as error:
        problem = error.strerror
    if problem is not None:
        raise pytest.UsageError(f"{OPTION}: {path}: {problem}")


def read_baseline(path: Path) -> frozenset[SiteKey]:
    """Raises pytest.UsageError if the file is missing or has another format."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}")
        return frozenset(SiteKey(**each) for each in content["blocks"])
    except FileNotFoundError:
        raise pytest.UsageError(
            f"{OPTION}: {path} is missing; --loop-blocking-write-baseline writes it"
        ) from None
    except OSError as error:
        raise pytest.UsageError(f"{OPTION}: {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise pytest.UsageError(
            f"{OPTION}: {path} is not a baseline that the plug-in wrote"
        ) from None


class BaselineWriter:
    """Collects the sites of a run. obstacle: why they are not all."""

    def __init__(self, path: Path) -> None:
        self.obstacle: str | None = None
        self._path = path
        self._found: set[SiteKey] = set()
        self._ended: set[str] = set()
        self._is_checked = False

    def note(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._ended.add(report.nodeid)
        found = getattr(report, "loop_blocks", None)
        if found is not None:
            self._is_checked = True
            self._found.update(SiteKey(*each) for each in found)

    def find_obstacle(self, session: pytest.Session) -> str | None:
        is_whole = len(self._ended) >= session.testscollected
        if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            is_whole = False
        if not is_whole:
            return "not all tests ran"
        return self.obstacle or (None if self._is_checked else "no test was checked")

    def write(self, session: pytest.Session) -> str | None:
        """Replace the file after a whole run. Otherwise return why it is as it was."""
        problem = self.find_obstacle(session)
        if problem is None:
            try:
                write_baseline(self._path, self._found)
                return None
            except OSError as error:
                problem = error.strerror
                session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR
        return f"{OPTION}: {self._path} is not written: {problem}"


def write_baseline(path: Path, keys: Iterable[SiteKey]) -> None:
    """Replace the file at once. Raises OSError."""
    blocks = [each._asdict() for each in sorted(keys)]
    text = json.dumps({"version": VERSION, "blocks": blocks}, indent=1)
    path = path.resolve()
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.write_text(text + "\n", encoding="utf-8")
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
