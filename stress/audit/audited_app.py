"""The audited service: a running process tree with the probe."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from time import monotonic, sleep
from typing import Self

import psutil

from records.audit import AttachedProcess
from stress.audit.command import AuditedCommand
from stress.audit.orphans import adopt_orphans, list_children, list_orphans
from stress.audit.probe_folder import close_probe_folder
from stress.audit.reports import read_reports
from stress.plan import Command
from stress.processes import Process

DIRECTORY_VARIABLE = "ASGI_PROBE_DIR"
GENTLE_S = 5.0
LOOK_EVERY_S = 0.05
FLUSHED_S = 0.5
"""Time for the probe to flush, which it does four times per second: a server that dies of the end
signal cannot flush at its end."""
KILLED = (
    f"your service got SIGKILL, as it did not end within {GENTLE_S:g} s of SIGTERM; what it saves "
    "when it ends may be lost"
)
WINDS_DOWN_S = 1.0
"""Time for the processes of a command that ends: most end with it."""


@dataclass(slots=True)
class AuditedApp:
    """A service that runs with the probe. End it, or use it in a `with`. raw: where its probe
    writes. strangers: children of this process that are not the service's. is_killed: the command
    did not end when asked. left: the pids of processes that nobody but their user may end."""

    command: AuditedCommand
    raw: Path
    process: Process
    url: str = ""
    strangers: frozenset[psutil.Process] = field(default_factory=list_children)
    is_killed: bool = False
    left: tuple[int, ...] = ()

    def start(self, command: Command) -> None:
        """Raises UserError."""
        adopt_orphans(True)
        self.process.start(command)

    @property
    def attached(self) -> list[AttachedProcess]:
        """The probe's current reports; the event loop is known once it runs."""
        return [each.build_record() for each in read_reports(self.raw)]

    def list_workers(self) -> list[AttachedProcess]:
        """Return the live processes that serve. A parent only loads the app for its children."""
        reports = read_reports(self.raw)
        idle = {each.ppid for each in reports}
        living = {each.pid for each in self.list_processes()} - idle
        return [each.build_record() for each in reports if each.pid in living]

    def measure_memory_mb(self) -> float | None:
        """Return the private memory of all processes; None if one cannot be read or ends."""
        try:
            used = [each.memory_full_info().uss for each in self.list_processes()]
        except psutil.Error:
            return None
        return sum(used) / 1e6

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def list_processes(self) -> list[psutil.Process]:
        """List the command's processes. Those that left its session still have its variable, unless
        they have overwritten it, as for a title; on Linux their orphans are found anyway."""
        orphans = list_orphans(self.process.pid, self.strangers)
        return list({*self.process.list_processes(), *find_processes(self.raw), *orphans})

    def is_in_background(self) -> bool:
        """Return True if the command has ended well, and the service goes on. Wait briefly for
        processes that end with the command."""
        if self.process.get_exit_code() != 0:
            return False
        return bool(psutil.wait_procs(self.list_processes(), WINDS_DOWN_S)[1])

    def end(self) -> None:
        """Ask the command to end, then its remaining processes; kill those that do not."""
        if self.attached:
            sleep(FLUSHED_S)
        self.process.request_end()
        deadline_s = monotonic() + GENTLE_S
        while self.process.get_exit_code() is None and monotonic() < deadline_s:
            sleep(LOOK_EVERY_S)
        rest = [each for each in self.list_processes() if each.pid != self.process.pid]
        signal_all(rest, SIGTERM)
        alive = psutil.wait_procs(rest, GENTLE_S)[1]
        self.is_killed = bool(alive) or self.process.get_exit_code() is None
        self.process.end(gentle_s=0.0)
        rest = self.list_processes()
        signal_all(rest, SIGKILL)
        self.left = tuple(each.pid for each in psutil.wait_procs(rest, GENTLE_S)[1])
        adopt_orphans(False)
        close_probe_folder(self.raw)

    def describe_end(self) -> str:
        """Say what did not end as it was asked; empty if all did."""
        if self.left:
            pids = ", ".join(map(str, self.left))
            return f"your service still runs (pid {pids}), and cannot be ended: end it yourself"
        return KILLED if self.is_killed else ""


def find_processes(raw: Path) -> list[psutil.Process]:
    """Return the processes whose probe writes to this folder or inside of it, by their variable."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(each.environ().get(DIRECTORY_VARIABLE, "")).is_relative_to(raw):
                found.append(each)
    return found


def signal_all(processes: list[psutil.Process], number: Signals) -> None:
    for each in processes:
        with contextlib.suppress(psutil.Error):  # ended already, or another user's
            each.send_signal(number)
