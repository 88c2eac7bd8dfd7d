"""Which process runs a cell, so that others see whether it still does."""

import os
from contextlib import suppress
from pathlib import Path

import psutil

from records.rundir import CellDir

RUNNER_FILE = "runner.txt"
BOOT = Path("/proc/sys/kernel/random/boot_id")
STARTED = 19
"""Field of /proc/PID/stat after the name: proc_pid_stat(5) counts it as the 22nd."""


def save_runner(cell: CellDir) -> None:
    """Save this process's number and start time, which no later process shares."""
    (cell.raw / RUNNER_FILE).write_text(format_process(os.getpid()), "utf-8")


def is_running(cell: CellDir) -> bool:
    """Return True if the process that runs the cell is alive on this machine."""
    file = cell.raw / RUNNER_FILE
    if not file.is_file():
        return False
    with suppress(OSError, ValueError, LookupError, psutil.Error):
        known = file.read_text("utf-8")
        return format_process(int(known.split()[0])) == known
    return False


def format_process(pid: int) -> str:
    return f"{pid} {read_start(pid)}"


def read_start(pid: int) -> str:
    """Return when a process started, by a clock that nobody sets (Linux): in ticks since which
    boot. Raises OSError or psutil.Error if there is no such process."""
    if not BOOT.exists():
        return f"{psutil.Process(pid).create_time():.2f}"
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return f"{fields[STARTED]} {BOOT.read_text('utf-8').strip()}"
