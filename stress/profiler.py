"""Records a flame graph of a Python server with py-spy during the window."""

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
"""Not 100: a server with a 10 ms timer would always be sampled at the same point."""
WRITES_WITHIN_S = 10.0
"""Time for py-spy to stop after the window and to write the flame graph."""
ATTACH_HINT = "(on Linux it may need root, or kernel.yama.ptrace_scope=0)"


class Profiler(Process):
    """A profiler of the server, if there is one. folder: the cell's. py-spy pauses the server for a
    few tenths of a millisecond per sample, so a profiled cell measures a slower server.
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
        """Return the profile, with the reason if there is no flame graph; None without a server."""
        if self.server_pid is None:
            return None
        if (self.folder / PICTURE).exists():
            return Profile(None)
        if not self.argv:
            return Profile("the window never opened")
        return Profile(f"py-spy wrote no flame graph: {self.read_last_words()} {ATTACH_HINT}")
