"""Measures the cost of an offloaded call on this machine, in the service's interpreter."""

from contextlib import suppress
from pathlib import Path

from scenarios.errors import UserError
from stress.audit.audited_app import AuditedApp
from stress.interruption import Interruption
from stress.plan import Command
from stress.processes import Process

PROGRAM = Path(__file__).with_name("hop_program.py")
WITHIN_S = 5.0
"""Generous: it measures for 0.4 s, and Python starts within a few tenths on a busy machine."""


def measure_hop_of(app: AuditedApp, interruption: Interruption) -> float | None:
    """Measure in the interpreter of a service that has ended. Raises CellInterruptedError."""
    executables = [each.executable for each in app.attached]
    return measure_hop_ms(executables[0], app.raw, interruption) if executables else None


def measure_hop_ms(executable: str, folder: Path, interruption: Interruption) -> float | None:
    """Return the median of single calls in milliseconds; None if the program fails.

    folder: for the program's output, which is removed. Raises CellInterruptedError.
    """
    log = folder / "hop.log"
    process = Process("measurement of an offloaded call", log)
    command = Command(process.role, (executable, "-I", str(PROGRAM)), folder, {})
    try:
        with suppress(UserError):
            process.start(command)
            interruption.poll(lambda: process.get_exit_code() is not None, WITHIN_S)
        if process.get_exit_code() != 0:
            return None
        with suppress(ValueError):
            return float(log.read_text("utf-8"))
        return None
    finally:
        process.end(gentle_s=0.0)
        log.unlink(missing_ok=True)
