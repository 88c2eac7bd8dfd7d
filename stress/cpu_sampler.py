"""Which Python functions of a server run: stacks that py-spy samples from outside.

Only the thread that holds the GIL is looked at, and the server is not stopped for it (py-spy's
nonblocking mode). Otherwise py-spy takes for running whatever the kernel may run: with 300 threads
that sleep 0.3 s and compute 1 ms 91 of 100 samples were of sleepers, and it fell 13 s behind; with
the GIL 82 of 100 were of what computes, at a fifth of the cost, and it kept up. What uses CPU
without the GIL, system calls above all, is in the kernel's count of CPU seconds: the analysis takes
the difference. A stack may be torn: one in 300 was left out, and of a function that lasts a
microsecond a quarter of the samples showed its caller. Two functions that used 69.5 and 30.5 % of
the CPU had 70.4 and 29.6 % of 658 samples.
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
"""Not 100: a server that does something every 10 ms would always be seen at the same."""
GREETING = "Sampling process"
BEGINS_WITHIN_S = 3.0
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
            return f"py-spy is not installed ({build_adding_command('profile')})"
        return None if self.server_pid else "the server's process is not known"

    def begin(self) -> None:
        """Returns when it samples, or cannot."""
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
        return GREETING in self.log.read_text(errors="replace") or self.get_exit_code() is not None

    def finish(self) -> Stacks:
        """What it saw; empty where it could not look, or was cut short while it wrote."""
        self.end(WRITES_WITHIN_S)
        text = self.file.read_text() if self.file.exists() else ""
        self.file.unlink(missing_ok=True)
        try:
            return shorten_stacks(parse_stacks(text), find_specimen_folder())
        except ValueError:
            return {}

    def describe_failure(self) -> str:
        return f"py-spy saw nothing: {self.read_last_words()} {ATTACH_HINT}"


def shorten_stacks(stacks: Stacks, app_folder: Path) -> Stacks:
    """The innermost frames, without the lines that py-spy adds for each process, and with files as
    `records.cpu_profile` has them: none tells of this machine."""
    shortened = Counter[tuple[str, ...]]()
    for stack, count in stacks.items():
        frames = [each for each in stack if not each.startswith("process ")]
        if frames:  # a torn one may have none
            inner = (shorten_frame(each, app_folder) for each in frames[-MOST_FRAMES:])
            shortened[tuple(inner)] += count
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
