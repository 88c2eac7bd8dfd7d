"""A process that is killed, stopped or interrupted in each phase of a run: what was measured is
kept, the verdict names it, and no process is left."""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep

import psutil
import pytest

from tests.faults.table import FaultRow, select
from tests.process.support import Running, running, study, wait_for

pytestmark = pytest.mark.timeout(180)
STOPPED_S = 3.0
"""Of a window of eight seconds; a verdict is due from one second on."""
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "worker": ("gunicorn",), "load": ("locust",), "upstream": ("--default-ms",),
}  # fmt: skip
"""Words of the command line; the youngest such process is meant."""
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "calibration": (),
    "start": ("--no-predict",),
    "ramp": ("--no-predict", "--spawn-rate", "2"),
    "warm-up": ("--no-predict", "--delay", "6s", "--client-timeout", "30s"),
    "window": ("--no-predict",),
    "drain": ("--no-predict", "--delay", "4s", "--client-timeout", "30s"),
}


@pytest.mark.parametrize("row", select("kills"))
def test_kill(row: FaultRow, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (
        "run", "async-http-shared", "--users", "20", "--spawn-rate", "50", "--delay", "50ms",
        "--duration", "8s", "--no-report", "--port", "0", "--out", str(out), *OPTIONS[row.phase],
    )  # fmt: skip
    with running(out, *words) as run:
        await_phase(run, row.phase)
        family = run.family()
        plant(run, row.fault)
        code = run.finish()
    said = run.text()
    wait_for(lambda: not any(map(lives, family)), "the end of all that was started")
    if row.fault == "SIGKILL study" and row.phase in {"window", "drain"}:
        (directory,) = out.iterdir()
        shown = study("report", str(directory))
        said += shown.stdout + shown.stderr
    row.check(code, said)
    for summary in out.rglob("summary.json"):
        json.loads(summary.read_text())


def await_phase(run: Running, phase: str) -> None:
    if phase == "calibration":
        wait_for(lambda: "calibrating" in run.text(), "a calibration")
        run.member("gunicorn")
    else:
        run.wait_for_phase(phase)


def plant(run: Running, fault: str) -> None:
    what, whom = fault.split()
    number = signal.Signals[what]
    if whom == "study":
        run.send(number)
    elif whom == "all":
        stop_for_a_while([psutil.Process(run.process.pid), *run.family()])
    elif what == "SIGSTOP":
        stop_for_a_while([run.member(*MEMBERS[whom])])
    else:
        run.member(*MEMBERS[whom]).send_signal(number)


def stop_for_a_while(processes: list[psutil.Process]) -> None:
    send_to_all(processes, psutil.Process.suspend)
    sleep(STOPPED_S)  # the fault itself lasts so long
    send_to_all(processes, psutil.Process.resume)


def send_to_all(processes: list[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for each in processes:
        if each.is_running():
            send(each)


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
