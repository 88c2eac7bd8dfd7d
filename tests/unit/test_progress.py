"""The output while a command works: never long silence, and no output where it is unwanted."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import psutil
import pytest
from rich.console import Console

from stress.load.protocol import LoadProgress
from stress.programs import BuildProgress
from stress.runtime import PhaseProgress
from study import messages, progress
from study.messages import show_activity
from study.progress import (
    PLAIN_EVERY_S,
    PlainDisplay,
    ProgressDisplay,
    QuietDisplay,
    TerminalDisplay,
)

LONGEST_SILENCE_S = 10.0
PATIENCE_S = 30.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Only the condition decides, and a busy machine gets time."""
    ends_s, tick = monotonic() + PATIENCE_S, threading.Event()
    while not condition():
        assert monotonic() < ends_s
        tick.wait(0.005)


def take_every_step(display: ProgressDisplay) -> None:
    display.start_cell(1, 2, Path())
    display.show_build(BuildProgress("axum", "begins", 2.0))
    display.show_calibration("sync-http")
    display.show_activity("drawing report.html")
    for phase in ("start", "ramp", "save"):
        display.show_phase(PhaseProgress("sync-http", phase, 3.0, LoadProgress(), 0))
    display.print_line("a row")
    display.close()


def test_quiet_means_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    take_every_step(QuietDisplay())
    with show_activity("drawing", quiet=True):
        pass
    assert capsys.readouterr() == ("", "")


def test_each_step_is_a_line_and_rows_alone_go_to_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    take_every_step(PlainDisplay())
    out, err = capsys.readouterr()
    assert out == "a row\n"
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "study",
        "[1/2] calibrating sync-http",
        "[1/2] drawing report.html",
        "[1/2] sync-http start",
        "[1/2] sync-http ramp",
        "[1/2] sync-http save",
    ]


def test_without_rows_stdout_is_the_callers(capsys: pytest.CaptureFixture[str]) -> None:
    take_every_step(PlainDisplay(rows=False))
    assert capsys.readouterr().out == ""


def test_what_lasts_is_said_again_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PLAIN_EVERY_S < LONGEST_SILENCE_S
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.01)
    said: list[str] = []

    def is_said_twice() -> bool:
        said.append(capsys.readouterr().err)
        return "".join(said).count("calibrating sync-http: CPU per request: 0 s so far") > 1

    before = set(threading.enumerate())
    display = PlainDisplay()
    display.show_calibration("sync-http")
    wait_for(is_said_twice)
    display.print_line("a row")
    wait_for(lambda: set(threading.enumerate()) <= before)


def test_what_is_soon_over_needs_no_line_and_leaves_no_process(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = set(psutil.Process().children())
    with show_activity("drawing report.html"):
        assert set(psutil.Process().children()) > before
    assert set(psutil.Process().children()) <= before
    assert capfd.readouterr() == ("", "")


def test_seconds_are_counted_until_the_input_ends() -> None:
    """On a pseudo-terminal, like on a terminal."""
    ours, terminal = os.openpty()
    command = (sys.executable, str(messages.TICKER), "drawing report.html")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=terminal) as ticker:
        os.close(terminal)
        assert ticker.stdin is not None
        said = b""
        while b"drawing report.html: 1 s" not in said:
            said += os.read(ours, 1000)
        ticker.stdin.close()
        assert ticker.wait(PATIENCE_S) == 0
    os.close(ours)


def test_a_terminal_counts_the_seconds_and_keeps_the_rows() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80, highlight=False)
    display = TerminalDisplay(console)
    display.start_cell(1, 2, Path())
    display.show_activity("sync-http: computing the results")
    display.print_line("a row")
    display.close()
    assert "1/2 sync-http: computing the results: 0 s" in text.getvalue()
    assert "a row\n" in text.getvalue()
