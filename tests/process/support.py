"""Runs `study` like its users, and reads what it leaves."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from time import monotonic, sleep
from unittest.mock import patch

import psutil

from study.cli import main

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--users", "20", "--delay", "50ms", "--duration", "2s", "--spawn-rate", "50", "--no-predict",
    "--no-report",
)  # fmt: skip
PATIENCE_S = 45.0
"""Maximum time for the next step of a small cell on a busy two-core machine."""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def study(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`env` is added to the usual variables, in a process of its own; without, the command runs in
    this one, which saves the two seconds of CPU that the imports cost."""
    if env is None:
        return run_here(arguments)
    return subprocess.run(
        (sys.executable, "-m", "study", *arguments),
        cwd=ROOT, env=environment() | dict(env or {}), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def run_here(
    arguments: Sequence[str], folder: Path = ROOT, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run it in that folder, with this text on standard input."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder), redirect_stdout(out), redirect_stderr(err),
        patch.object(sys, "argv", ["study", *arguments]),
        patch.object(sys, "stdin", io.StringIO(typed)),
    ):  # fmt: skip
        code = main()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


HANGS_UP = ("env", "--default-signal=HUP")
"""Under nohup, these tests ignore SIGHUP, and what they start would inherit that."""


class Running:
    """A running study, with all processes that it started."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self.out = out
        self.log = out.with_suffix(".log")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                (*HANGS_UP, sys.executable, "-m", "study", *arguments),
                cwd=ROOT, env=environment(), stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text()

    def family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def member(self, *words: str) -> psutil.Process:
        """The process whose command line has all the words; the youngest if there are several."""
        found: list[psutil.Process] = []

        def there() -> bool:
            found[:] = [each for each in self.family() if matches(each, words)]
            return bool(found)

        wait_for(there, f"a process with {words}\n{self.text()}")
        return max(found, key=lambda each: each.create_time())

    def wait_for_phase(self, phase: str) -> None:
        wait_for(lambda: f" {phase}: " in self.text(), f"phase {phase} in:\n{self.text()}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> int:
        return self.process.wait(PATIENCE_S)


def matches(process: psutil.Process, words: tuple[str, ...]) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return all(word in line for word in words)


@contextmanager
def running(out: Path, *arguments: str) -> Iterator[Running]:
    """Wait until no process is left; otherwise the test fails."""
    run = Running(out, *arguments)
    started: dict[int, psutil.Process] = {}
    try:
        yield run
        started |= {each.pid: each for each in run.family()}
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        for each in started.values():
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                each.kill()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = monotonic() + PATIENCE_S
    while not condition():
        if monotonic() > deadline_s:
            raise AssertionError(f"not seen within {PATIENCE_S:.0f} s: {what}")
        sleep(0.02)  # a poll: only the condition decides


def only_run(out: Path) -> Path:
    (directory,) = [each for each in out.iterdir() if each.is_dir()]
    return directory


def cells(out: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((only_run(out) / "summary.json").read_text())[
        "cells"
    ]
    return found


def codes(cell: dict[str, object]) -> list[str]:
    verdicts = cell["verdicts"]
    assert isinstance(verdicts, list)
    return [verdict["code"] for verdict in verdicts]
