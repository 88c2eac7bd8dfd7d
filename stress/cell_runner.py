"""Which process runs a cell, so that others see whether it still does."""

from contextlib import suppress

import psutil

from records.rundir import CellDir

RUNNER_FILE = "runner.txt"


def save_runner(cell: CellDir) -> None:
    """Save this process's number and start time, which no later process shares."""
    (cell.raw / RUNNER_FILE).write_text(format_process(psutil.Process()), "utf-8")


def is_running(cell: CellDir) -> bool:
    """Return True if the process that runs the cell is alive on this machine."""
    file = cell.raw / RUNNER_FILE
    if not file.is_file():
        return False
    with suppress(OSError, ValueError, LookupError, psutil.Error):
        known = file.read_text("utf-8")
        return format_process(psutil.Process(int(known.split()[0]))) == known
    return False


def format_process(process: psutil.Process) -> str:
    return f"{process.pid} {process.create_time():.2f}"
