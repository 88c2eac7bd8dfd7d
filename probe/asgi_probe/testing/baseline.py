"""The file of known blocks: sites that do not fail a test yet. A site has no line number, which
other changes move, and nothing of the machine and the Python version that found it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

VERSION = 1
OPTION = "--loop-blocking-baseline"
INSTALLED = re.compile(r"^/(.*/)?((site|dist)-packages|lib(64)?/python3[^/]*)/")
"""The folder of a library or of Python itself."""


class SiteKey(NamedTuple):
    file: str
    function: str
    call: str

    def shorten(self) -> SiteKey:
        """Return it without the class, as earlier versions of the plug-in wrote it on Python 3.9
        and 3.10."""
        return self._replace(function=self.function.rpartition(".")[2])

    def is_in(self, known: frozenset[SiteKey]) -> bool:
        """Return True for a known site. A short name counts only in a file without long ones: it
        could be that of another function."""
        if self in known:
            return True
        names = [each.function for each in known if each.file == self.file]
        return self.shorten() in known and not any("." in each for each in names)


def make_key(file: str, function: str, call: str) -> SiteKey:
    return SiteKey(INSTALLED.sub("", file), function, call)


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


def read_baseline(path: Path, *, writes: bool) -> frozenset[SiteKey]:
    """Raises pytest.UsageError if the file has another format, or is missing and not written."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}")
        return frozenset(make_key(**each) for each in content["blocks"])
    except FileNotFoundError:
        if writes:
            return frozenset()
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
    """Collects the sites of a run. known: those in the file. obstacle: why the found ones are not
    all."""

    def __init__(self, path: Path, known: frozenset[SiteKey]) -> None:
        self.obstacle: str | None = None
        self.is_written = False
        self._path = path
        self._known = known
        self._found: set[SiteKey] = set()
        self._ended: set[str] = set()
        self._is_checked = self._is_part = False

    def note(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._ended.add(report.nodeid)
        if not report.passed or getattr(report, "loop_part", False):
            self._is_part = True
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

    def write(self, session: pytest.Session) -> str:
        """Write the file after a run that was not cut short. Unless it was of all tests, and all
        passed, it removes no known site. Return what happened."""
        problem = self.find_obstacle(session)
        others = self._known - self._found - {each.shorten() for each in self._found}
        is_part = self._is_part or selects_tests(session.config)
        kept = others if is_part else frozenset()
        if problem is None:
            try:
                write_baseline(self._path, self._found | kept)
                self.is_written = True
                return self._describe(len(kept), len(others - kept))
            except OSError as error:
                problem = error.strerror
                session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR
        return f"{OPTION}: {self._path} is not written: {problem}"

    def _describe(self, kept: int, removed: int) -> str:
        text = f"{OPTION}: {self._path}: {len(self._found)} found"
        if kept:
            text += f", {kept} kept from earlier runs: this one did not check all tests"
        return text + (f", {removed} removed: no test blocks there now" if removed else "")


def selects_tests(config: pytest.Config) -> bool:
    """Return True if the command line, or the folder that pytest runs in, leaves out tests."""
    ignores = config.getoption("ignore") or config.getoption("ignore_glob")
    has_paths = config.args_source is pytest.Config.ArgsSource.ARGS
    return bool(ignores) or has_paths or config.invocation_params.dir != config.rootpath


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
