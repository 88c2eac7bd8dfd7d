"""Samples CPU, memory and descriptors of the processes from outside, and tracks live workers."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

import psutil

from records.cell import WorkerDeath
from records.pauses import SUSPENDED
from stress.cpu_quota import find_cpu_stats, read_throttled_s

PERIOD_S = 0.5
FORKING = ("database",)
"""Roles whose ended children count. PostgreSQL has one process per connection, which may live too
briefly to be sampled. A server's killed worker was sampled, and would count twice."""
Families = Mapping[str, Callable[[], list[psutil.Process]]]
"""Maps each role to a function that lists its current processes."""
MachineRow = tuple[float, str, int, float, int, int, int]
"""A row in the order of records.rows.MACHINE, with absolute times."""


class ResourceMonitor:
    """A thread that samples every process of each role."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._rows: list[MachineRow] = []
        self._cpu_stats = find_cpu_stats()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resource watch", daemon=True)
        self._thread.start()

    def stop(self) -> list[MachineRow]:
        self._leave.set()
        self._thread.join()
        return self._rows

    def _run(self) -> None:
        while True:
            sweep_s = monotonic()
            for role, family in self._families.items():
                for process in family():
                    with contextlib.suppress(psutil.Error):
                        self._rows.append(sample_process(sweep_s, role, process, role in FORKING))
            self._rows += sample_machine(sweep_s, self._cpu_stats)
            if self._leave.wait(PERIOD_S):
                return


def sample_process(
    sweep_s: float, role: str, process: psutil.Process, with_children: bool = False
) -> MachineRow:
    """Sample a process. with_children: add the CPU of its ended children."""
    with process.oneshot():
        cpu = process.cpu_times()
        gone_s = cpu.children_user + cpu.children_system if with_children else 0.0
        return (
            sweep_s,
            role,
            process.pid,
            cpu.user + cpu.system + gone_s,
            process.memory_info().rss,
            process.num_fds(),
            process.num_threads(),
        )


def sample_machine(sweep_s: float, cpu_stats: tuple[Path, ...] = ()) -> list[MachineRow]:
    """Return the machine's CPU seconds in processes, its CPU steal, and the time in which a quota
    throttled this container, if the system reports them (Linux)."""
    cpu = psutil.cpu_times()
    in_processes_s = cpu.user + cpu.system + getattr(cpu, "nice", 0.0)
    spent = {"machine": in_processes_s}
    if hasattr(cpu, "steal"):
        spent["stolen"] = cpu.steal
    if sys.platform == "linux":
        spent[SUSPENDED] = time.clock_gettime(time.CLOCK_BOOTTIME) - monotonic()
    if (throttled_s := read_throttled_s(cpu_stats)) is not None:
        spent["throttled"] = throttled_s
    return [(sweep_s, role, 0, cpu_s, 0, 0, 0) for role, cpu_s in spent.items()]


class WorkerMonitor:
    """The workers of any server, known by their journals. Deaths before the first check do not
    count."""

    def __init__(self, journals: Path) -> None:
        self._journals = journals
        self.alive: set[int] = set()
        self._seen: set[int] = set()
        self.deaths: list[WorkerDeath] = []
        self.record_deaths()
        self.deaths.clear()

    def record_deaths(self) -> None:
        """Record the deaths since the last check."""
        now_s = monotonic()
        born = {parse_pid(path) for path in self._journals.glob("probe-*.journal")} - self._seen
        self._seen |= born
        self.alive |= born
        dead = {pid for pid in self.alive if not is_alive(pid)}
        self.alive -= dead
        self.deaths += [WorkerDeath(now_s, pid, "ended") for pid in sorted(dead)]


def parse_pid(journal: Path) -> int:
    return int(journal.name.split("-")[1])


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
