"""Samples the Python stacks of a server with py-spy, from outside the server.

py-spy samples only the thread that holds the GIL and does not pause the server (--nonblocking).
Without --gil, it counts every runnable thread as running: with 300 threads that sleep 0.3 s and
compute 1 ms, 91 of 100 samples showed sleepers, and py-spy fell 13 s behind. With --gil, 82 of 100
showed computing threads at a fifth of the cost, and py-spy kept up. CPU used without the GIL, as in
system calls, is in the kernel's CPU seconds; the analysis takes the difference. A stack may be
torn: one in 300 was discarded, and a quarter of the samples of a 1 µs function showed its caller.
Two functions that used 69.5 and 30.5 % of the CPU had 70.4 and 29.6 % of 658 samples.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT

import psutil

from records.cpu_profile import SampledPhase, Stacks, parse_stacks
from scenarios.model import Client, Database, Endpoint, Server
from stress.extras import MARKS, build_adding_command, is_installed
from stress.interruption import Interruption
from stress.places import ROOT, find_specimen_folder
from stress.plan import Command
from stress.processes import Process
from stress.profiler import ATTACH_HINT, WRITES_WITHIN_S

SAMPLES_PER_S = 97
"""Not 100: a server with a 10 ms timer would always be sampled at the same point."""
GREETING = "Sampling process"
BEGINS_WITHIN_S = 3.0
MOST_FRAMES = 24
"""Innermost frames kept per stack; the outer ones are the server's and always the same."""
PACKAGES = re.compile(r".*/(?:site|dist)-packages/")
STANDARD_LIBRARY = re.compile(r".*/(lib(?:64)?/python3\.\d+t?/)")
FRAME = re.compile(r"(?P<function>.*?) \((?P<path>.*)\)", re.DOTALL)
PROCESS = re.compile(r"process \d+:")
"""The line of py-spy per process."""

Alike = tuple[Endpoint, Server, Client | None, Database | None, int | None, bool]
"""Key of cells whose server does the same work for one user alone."""
Sampled = tuple[SampledPhase, Stacks]


class StackSampler(Process):
    """A py-spy process that samples a server and its workers until it is stopped."""

    def __init__(self, folder: Path, servers: Sequence[psutil.Process]) -> None:
        super().__init__("profiler", folder / "stack-sampler.log")
        self.file = folder / "stacks.txt"
        self.server_pid = servers[0].pid if servers else 0

    def find_obstacle(self) -> str | None:
        """Return why it cannot sample, as far as that is known in advance."""
        if not is_installed(MARKS["profile"]):
            return f"py-spy is not installed ({build_adding_command('profile')})"
        return None if self.server_pid else "the server's process is unknown"

    def begin(self) -> None:
        """Start, and return when it samples or has failed."""
        self.file.unlink(missing_ok=True)
        py_spy = Path(sys.executable).with_name("py-spy")
        argv = (
            str(py_spy), "record", "--gil", "--nonblocking", "--subprocesses", "--nolineno",
            "--full-filenames", "--format=raw", f"--rate={SAMPLES_PER_S}",
            f"--output={self.file}", f"--pid={self.server_pid}",
        )  # fmt: skip
        self.start(Command(self.role, argv, self.file.parent, {}, SIGINT))
        Interruption().poll(self._has_begun, BEGINS_WITHIN_S)

    def _has_begun(self) -> bool:
        return (
            GREETING in self.log.read_text("utf-8", "replace") or self.get_exit_code() is not None
        )

    def finish(self) -> Stacks:
        """Stop, and return the stacks; none if it could not sample or was killed while writing."""
        self.end(WRITES_WITHIN_S)
        text = self.file.read_text("utf-8") if self.file.exists() else ""
        self.file.unlink(missing_ok=True)
        try:
            return shorten_stacks(parse_stacks(text), find_specimen_folder())
        except ValueError:
            return {}

    def describe_failure(self) -> str:
        return f"py-spy took no samples: {self.read_last_words()} {ATTACH_HINT}"


def shorten_stacks(stacks: Stacks, app_folder: Path) -> Stacks:
    """Keep the innermost frames, drop py-spy's line per process, and shorten file names as in
    `records.cpu_profile`, so that they show nothing of this machine."""
    shortened = Counter[tuple[str, ...]]()
    for stack, count in stacks.items():
        frames = [each for each in stack if not PROCESS.match(each)]
        if frames:  # a torn stack may have none
            inner = (shorten_frame(each, app_folder) for each in frames[-MOST_FRAMES:])
            shortened[tuple(inner)] += count
    return shortened


def shorten_frame(frame: str, app_folder: Path) -> str:
    found = FRAME.fullmatch(frame)
    if found is None:
        return frame
    return f"{found['function']} ({shorten_path(found['path'], app_folder)})"


def shorten_path(path: str, app_folder: Path) -> str:
    """Shorten a path. The app's folder comes first, since this project may itself be installed."""
    if path.startswith(f"{ROOT / 'probe'}/"):
        return path.replace(f"{ROOT / 'probe'}", "site-packages", 1)
    inside = path.removeprefix(f"{app_folder}/")
    if PACKAGES.match(inside):
        return PACKAGES.sub("site-packages/", inside)
    if STANDARD_LIBRARY.match(inside):
        return STANDARD_LIBRARY.sub(r"\1", inside)
    return inside if inside != path or not path.startswith("/") else "/".join(path.split("/")[-2:])
