"""Which functions a Python server has on CPU: stacks that py-spy samples from outside.

On CPU is what the kernel says that a thread runs. What holds the GIL would be only a part of it: to
send and to receive costs CPU without the GIL, and py-spy does not find its holder in each Python.

The server is not stopped for a sample (py-spy's nonblocking mode). A stopped thread that goes back
to its wait looks as if it ran: with 20 sleeping threads and two that computed those were a sixth of
all samples, and each stop costs the server switches of all its threads. The price: one stack in 15
is torn and left out, and of a function that lasts a microsecond a quarter of the samples show its
caller. Two functions that used 69.5 and 30.5 % of the CPU had 70.4 and 29.6 % of 658 samples.
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
from stress.extras import MARKS, build_install_command, is_installed
from stress.places import ROOT, find_specimen_folder
from stress.plan import Command
from stress.processes import Process
from stress.profiler import ATTACH_HINT, WRITES_WITHIN_S

SAMPLES_PER_S = 97
"""Not 100: a server that does something every 10 ms would always be seen at the same."""
MOST_FRAMES = 24
"""Of each stack the innermost: what is farther out is the server, the same for all."""
PACKAGES = re.compile(r".*/(?:site|dist)-packages/")
STANDARD_LIBRARY = re.compile(r".*/(lib(?:64)?/python3\.\d+t?/)")
FRAME = re.compile(r"(?P<function>.*) \((?P<path>[^()]*)\)")

Alike = tuple[Endpoint, Server, Client | None, Database | None]
"""What two cells share whose server does the same for one user alone."""
Sampled = tuple[SampledPhase, Stacks]


class StackSampler(Process):
    """Of a server and its workers, until it is ended."""

    def __init__(self, folder: Path, servers: Sequence[psutil.Process]) -> None:
        super().__init__("profiler", folder / "stack-sampler.log")
        self.file = folder / "stacks.txt"
        self.server_pid = servers[0].pid if servers else 0

    def find_obstacle(self) -> str | None:
        """Why it can't sample, as far as that is known before it tries."""
        if not is_installed(MARKS["profile"]):
            return f"py-spy is not installed ({build_install_command(('profile',))})"
        return None if self.server_pid else "the server's process is not known"

    def begin(self) -> None:
        self.file.unlink(missing_ok=True)
        py_spy = Path(sys.executable).with_name("py-spy")
        argv = (
            str(py_spy), "record", "--subprocesses", "--nonblocking", "--nolineno",
            "--full-filenames", "--format=raw", f"--rate={SAMPLES_PER_S}",
            f"--output={self.file}", f"--pid={self.server_pid}",
        )  # fmt: skip
        self.start(Command(self.role, argv, self.file.parent, {}, SIGINT))

    def finish(self) -> Stacks:
        """What it saw on CPU; empty where it could not look."""
        self.end(WRITES_WITHIN_S)
        text = self.file.read_text() if self.file.exists() else ""
        self.file.unlink(missing_ok=True)
        return shorten_stacks(parse_stacks(text), find_specimen_folder())

    def describe_failure(self) -> str:
        return f"py-spy saw nothing: {self.read_last_log_line()} {ATTACH_HINT}"


def shorten_stacks(stacks: Stacks, app_folder: Path) -> Stacks:
    """The innermost frames, without the lines that py-spy adds for each process, and with files as
    `records.cpu_profile` has them: none tells of this machine."""
    shortened = Counter[tuple[str, ...]]()
    for stack, count in stacks.items():
        frames = [each for each in stack if not each.startswith("process ")]
        shortened[tuple(shorten_frame(each, app_folder) for each in frames[-MOST_FRAMES:])] += count
    return shortened


def shorten_frame(frame: str, app_folder: Path) -> str:
    found = FRAME.fullmatch(frame)
    if found is None:
        return frame
    return f"{found['function']} ({shorten_path(found['path'], app_folder)})"


def shorten_path(path: str, app_folder: Path) -> str:
    """Our own packages may themselves be installed: the app's folder is looked at first."""
    if path.startswith(f"{ROOT / 'probe'}/"):
        return path.replace(f"{ROOT / 'probe'}", "site-packages", 1)
    inside = path.removeprefix(f"{app_folder}/")
    if PACKAGES.match(inside):
        return PACKAGES.sub("site-packages/", inside)
    if STANDARD_LIBRARY.match(inside):
        return STANDARD_LIBRARY.sub(r"\1", inside)
    return inside if inside != path or not path.startswith("/") else "/".join(path.split("/")[-2:])
