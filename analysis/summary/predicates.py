"""What holds of a cell's figures: which of them may be believed, and which are worth a note."""

from analysis.summary.model import CellSummary
from scenarios.model import BackgroundRequest

FAILURES_LIMIT_RATIO = 0.01
MISSED_SHARE = 0.03
"""Of a prediction: as near as it is asked to come."""
GROWN_CPU = 1.1
BYSTANDER_NOTED_MS = 100.0
USUAL_BYSTANDER = BackgroundRequest()
BLOCKED_NOTED_SHARE = 0.1
"""Below it, what blocks the loop now and then is garbage collection or the wait for the GIL."""


def has_starved_users(cell: CellSummary) -> bool:
    """Whether the median is of survivors."""
    return any(
        (each.code == "UNFINISHED" and each.severity != "info")
        or (each.code == "LITTLE_MISMATCH" and each.severity == "error")
        for each in cell.verdicts
    )


def has_many_failures(cell: CellSummary) -> bool:
    """Whether so many fail that its latencies are none: how quickly a request is refused says
    nothing of the service."""
    return (cell.failure_ratio or 0.0) > FAILURES_LIMIT_RATIO


def is_overloaded(cell: CellSummary) -> bool:
    """Whether its latencies only say how long the test was."""
    return cell.open_loop is not None and cell.open_loop.overloaded


def has_blocked_loop(cell: CellSummary) -> bool:
    """Whether the event loop was blocked for a share of the window that matters, by known code."""
    return bool(cell.blocking_sites) and (cell.loop_blocked_share or 0) > BLOCKED_NOTED_SHARE


def has_affected_bystander(cell: CellSummary) -> bool:
    """Whether its requests were slow or failed; always where they are the question."""
    other = cell.bystander
    slow = (other.median_ms or 0) > BYSTANDER_NOTED_MS
    return slow or bool(other.failures) or has_own_bystander(cell)


def has_own_bystander(cell: CellSummary) -> bool:
    """Whether the scenario asks what becomes of a certain other request."""
    return cell.bystander.path != USUAL_BYSTANDER.path


def has_grown_cpu(cell: CellSummary) -> bool:
    """Whether a prediction was missed because of what theory could not know. It has the CPU of one
    request alone; threads that fight for the interpreter, and a core that it has to share with the
    load, make a request cost more."""
    theory, cpu_ms = cell.predicted, cell.cpu_ms_per_request
    if theory is None or not theory.ok_rps or not theory.cpu_ms or cpu_ms is None:
        return False
    missed = abs((cell.ok_rps or 0.0) / theory.ok_rps - 1) > MISSED_SHARE
    return missed and cpu_ms > GROWN_CPU * theory.cpu_ms
