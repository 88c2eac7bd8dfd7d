"""With planted causes: a cell that misses its prediction names the right cause, by sampled stacks
or by a verdict, and nothing innocent."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl
import psutil
import pytest

from analysis.measures.cpu_attribution import APP
from analysis.report.write import load_run_summary
from analysis.summary.model import CellSummary
from records.rundir import CellDir, RunDir
from stress.places import SPECIMEN_VARIABLE
from tests.process.support import ROOT, cells, codes, only_run, study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]
CELL = "async-http-shared-aiohttp"
WALKED = """

class Crowd:
    members: list[int] = []

    def walk(self) -> int:
        total = 0
        for member in self.members:
            for digit in range(1000):
                total += digit * member
        return total


async def ask_in_crowd(ask):
    Crowd.members.append(1)
    try:
        Crowd().walk()
        return await ask()
    finally:
        Crowd.members.pop()
"""
HOGGED = """

def hog() -> None:
    total = 0
    while True:
        for digit in range(10_000):
            total += digit


import threading

threading.Thread(target=hog, daemon=True).start()
"""
ASKS = "await upstream.fetch_async()"


def plant(folder: Path, code: str, calls: str) -> None:
    """A copy of the app with some additional code."""
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    clients, endpoints = folder / "app" / "clients.py", folder / "app" / "endpoints.py"
    clients.write_text(clients.read_text() + code)
    text = endpoints.read_text()
    assert ASKS in text
    endpoints.write_text("from app import clients\n" + text.replace(ASKS, calls))


def measure(out: Path, users: int, delay: str) -> CellSummary:
    done = study(
        "run", "async-http-shared", "--client", "aiohttp", "--users", str(users),
        "--delay", delay, "--duration", "5s", "--spawn-rate", "100", "--port", "0",
        "--no-report", "--out", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(out)
    directory = CellDir(only_run(out) / "cells" / f"{CELL}.1")
    (summary,) = load_run_summary(RunDir(only_run(out))).cells
    assert [each.code for each in summary.verdicts] == codes(cell)
    check_order(directory)
    if summary.cpu_growth is not None and "ptrace" in (summary.cpu_growth.fault or ""):
        pytest.skip(f"this system lets nobody look on: {summary.cpu_growth.fault}")
    return summary


def check_order(cell: CellDir) -> None:
    """The sampler starts when the window is over, and the users continue until it has finished."""
    phases, at_s = cell.load_record().phases, pl.col("at_s")
    samplers = cell.load_table("machine").filter(pl.col("role") == "profiler")
    assert phases.window_end_s is not None
    assert samplers.filter(at_s < phases.window_end_s).is_empty()
    if phases.profile_end_s is None:
        assert samplers.is_empty()
        return
    later = cell.load_table("requests").filter(pl.col("started_s") > phases.window_end_s)
    assert later.height > 20
    assert later.filter(pl.col("started_s") > phases.profile_end_s + 0.1).is_empty()


def is_disturbed(cell: CellSummary) -> bool:
    """Return True if other programs used so much of the machine that the planted cause is not the
    only one, or if the calibration was inconsistent: then the cause may stay unnamed."""
    busy = any(each.code == "MACHINE_BUSY" and each.severity == "error" for each in cell.verdicts)
    return busy or (cell.predicted is not None and cell.predicted.low is None)


def test_what_grows_with_the_requests_in_flight_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request visits all others: it costs more, the more are in flight."""
    plant(tmp_path / "copy", WALKED, "await clients.ask_in_crowd(upstream.fetch_async)")
    monkeypatch.setenv(SPECIMEN_VARIABLE, str(tmp_path / "copy"))
    cell = measure(tmp_path / "out", users=60, delay="200ms")
    growth = cell.cpu_growth
    if growth is None:
        assert is_disturbed(cell)
        return
    assert growth.fault is None
    assert growth.cause is not None or is_disturbed(cell)
    assert growth.cause is None or growth.cause.function == "Crowd.walk (app/clients.py)"


def test_a_thread_that_computes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the GIL all the time, alone and under load."""
    plant(tmp_path / "copy", HOGGED, ASKS)
    monkeypatch.setenv(SPECIMEN_VARIABLE, str(tmp_path / "copy"))
    cell = measure(tmp_path / "out", users=60, delay="200ms")
    full = [each for each in cell.verdicts if each.code == "INTERPRETER_FULL"]
    assert full or is_disturbed(cell)
    assert all(each.data.get("whose") == "hog (app/clients.py)" for each in full)
    growth = cell.cpu_growth
    assert growth is not None or is_disturbed(cell)
    assert growth is None or growth.cause is None or growth.cause.library == APP


def test_a_slow_machine_is_nobodys_fault(tmp_path: Path) -> None:
    """Other programs use most of its CPU, in the window and while it is sampled."""
    with compete():
        cell = measure(tmp_path, users=100, delay="50ms")
    found = [each.code for each in cell.verdicts]
    assert "MACHINE_BUSY" in found
    assert "INTERPRETER_FULL" not in found
    (saved,) = cells(tmp_path)
    theory = saved["predicted"]
    assert isinstance(theory, dict)
    # the calibration had the same competing load, so the prediction includes it
    if theory["low"] is None:
        assert str(theory["reason"]).startswith("CPU per request was not stable during calibration")
    elif cell.cpu_growth is None:
        assert theory["low"] <= (cell.ok_rps or 0.0) <= theory["high"]
    else:
        assert cell.cpu_growth.cause is None or cell.cpu_growth.cause.library != APP


@contextmanager
def compete() -> Iterator[None]:
    """Twice as many computing processes as cores."""
    with ExitStack() as stack:
        for _ in range(2 * (psutil.cpu_count() or 1)):
            rival = stack.enter_context(
                subprocess.Popen((sys.executable, "-c", "while True: pass"))
            )
            stack.callback(rival.kill)
        yield
