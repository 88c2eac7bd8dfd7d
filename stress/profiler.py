"""A flame graph of a Python server by py-spy, which looks on from outside through the window."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from time import monotonic, sleep

import psutil

from scenarios.units import Second
from stress.plan import Command
from stress.processes import POLL_S, Process

PICTURE = "profile.svg"
LOOKS_A_SECOND = 99
"""Not 100: a server that does something every 10 ms would always be seen at the same."""
WRITES_WITHIN_S = 10.0


@dataclass(slots=True)
class Profiler:
    """`folder` is the cell's. py-spy stops the server for each look, some tenths of a millisecond
    each: a profiled cell's figures are those of a slower server."""

    folder: Path
    server_pid: int
    process: Process | None = None

    def begin(self, lasting_s: Second) -> None:
        py_spy = Path(sys.executable).with_name("py-spy")
        argv = (
            str(py_spy), "record", "--subprocesses", "--nolineno", "--format=flamegraph",
            f"--rate={LOOKS_A_SECOND}", f"--duration={max(1, round(lasting_s))}",
            f"--output={self.folder / PICTURE}", f"--pid={self.server_pid}",
        )  # fmt: skip
        command = Command("profiler", argv, self.folder, {}, SIGINT)
        self.process = Process(command, self.folder / "raw" / "profiler.log", os.environ)

    def list_processes(self) -> list[psutil.Process]:
        return self.process.list_processes() if self.process else []

    def end(self) -> None:
        """The window is over: it may stop looking, and writes its picture."""
        if self.process is None:
            return
        self.process.request_end()
        deadline_s = monotonic() + WRITES_WITHIN_S
        while self.process.get_exit_code() is None and monotonic() < deadline_s:
            sleep(POLL_S)
        self.process.end()

    def describe_profiler_failure(self) -> str | None:
        """Why there is no picture; None if there is one."""
        if (self.folder / PICTURE).exists():
            return None
        if self.process is None:
            return "the window never opened"
        said = self.process.read_last_log_line()
        return (
            f"py-spy made none: {said} (on Linux it may need root, or kernel.yama.ptrace_scope=0)"
        )
