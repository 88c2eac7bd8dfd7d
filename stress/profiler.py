"""A flame graph of a Python server by py-spy, which looks on from outside through the window."""

import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT

import psutil

from records.cell import Profile
from scenarios.units import Second
from stress.plan import Command
from stress.processes import Process

PICTURE = "profile.svg"
LOOKS_A_SECOND = 99
"""Not 100: a server that does something every 10 ms would always be seen at the same."""
WRITES_WITHIN_S = 10.0
"""When the window is over it may stop looking, and writes its picture."""
ATTACH_HINT = "(on Linux it may need root, or kernel.yama.ptrace_scope=0)"


class Profiler(Process):
    """`folder` is the cell's. py-spy stops the server for each look, some tenths of a millisecond
    each: a profiled cell's figures are those of a slower server. Without a server it does nothing.
    """

    def __init__(self, folder: Path, servers: Sequence[psutil.Process]) -> None:
        super().__init__("profiler", folder / "raw" / "profiler.log")
        self.folder = folder
        self.server_pid = servers[0].pid if servers else None

    def begin(self, lasting_s: Second) -> None:
        if self.server_pid is None:
            return
        py_spy = Path(sys.executable).with_name("py-spy")
        argv = (
            str(py_spy), "record", "--subprocesses", "--nolineno", "--format=flamegraph",
            f"--rate={LOOKS_A_SECOND}", f"--duration={max(1, round(lasting_s))}",
            f"--output={self.folder / PICTURE}", f"--pid={self.server_pid}",
        )  # fmt: skip
        self.start(Command(self.role, argv, self.folder, {}, SIGINT))

    def build_profile(self) -> Profile | None:
        """With why there is no picture, where there is none."""
        if self.server_pid is None:
            return None
        if (self.folder / PICTURE).exists():
            return Profile(None)
        if not self.argv:
            return Profile("the window never opened")
        return Profile(f"py-spy made none: {self.read_last_words()} {ATTACH_HINT}")
