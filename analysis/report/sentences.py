"""The answer in a sentence or two: what one cell says of its endpoint."""

from analysis import formats
from analysis.summary import CellSummary
from analysis.tables import USUAL_BYSTANDER, starved
from scenarios.model import Scenario

LIMITS = {
    "pool": "all threads of the pool are taken, the others queue for one",
    "interpreter": "the interpreter is busy all the time",
    "connections": "the client's connections are all taken",
    "blocked loop": "the loop serves one request at a time",
    "worker kills": "the worker is killed again and again",
    "client timeout": "clients give up",
    "users": "nothing limits it but the number of users",
    "arrivals": "it keeps up with what arrives",
}
"""By the names that analysis.theory has for them."""
NOTED_FAILURES = 0.001


def answer(cell: CellSummary, scenario: Scenario) -> str:
    if cell.interrupted and not cell.requests:
        return f"Cut short: {cell.interrupted}."
    if not cell.requests:
        return "Nobody was answered in the window."
    cut = f"Cut short ({cell.interrupted}): " if cell.interrupted else ""
    told = f"{cut}{served(cell)}; {waited(cell)}. {threads(cell, scenario)}"
    return told + because(cell) + in_passing(cell)


def served(cell: CellSummary) -> str:
    loop = cell.open_loop
    if loop is not None:
        rate = f"{formats.rate(loop.sustained_rps)} of {formats.rate(loop.offered_rps)} offered"
        rate += " requests a second got a good answer"
    else:
        rate = f"{formats.rate(cell.ok_rps)} good answers a second"
        rate += f" for {formats.whole(cell.users)} users"
    if (cell.failure_ratio or 0.0) > NOTED_FAILURES:
        return f"{rate}, {formats.percent(cell.failure_ratio)} of all answers were failures"
    return rate


def waited(cell: CellSummary) -> str:
    if cell.open_loop is not None and cell.open_loop.overloaded:
        return "how long they took only says how long the test was"
    if starved(cell) and cell.users_longest_wait_median_ms is not None:
        longest = duration(cell.users_longest_wait_median_ms)
        return f"half of the users waited {longest} or more for one of theirs"
    if starved(cell):
        return "many were never answered, and what the others waited tells little"
    return (
        f"half of the answers took {duration(cell.median_ms)} or less, 99 % {duration(cell.p99_ms)}"
    )


def duration(value_ms: float | None) -> str:
    if value_ms is None or value_ms < 1000:
        return f"{formats.milliseconds(value_ms)} ms"
    return f"{formats.decimal(value_ms / 1000)} s"


def threads(cell: CellSummary, scenario: Scenario) -> str:
    style = scenario.endpoint.style
    if cell.threads_spawned is None or cell.threads_active_mean is None:
        return f"The endpoint is {style}."
    lived = "one thread" if cell.threads_spawned == 1 else f"{cell.threads_spawned:,} threads"
    active = formats.decimal(cell.threads_active_mean)
    return f"The endpoint is {style}: {lived}, {active} of them inside it on average."


def in_passing(cell: CellSummary) -> str:
    """Where it is the question what becomes of somebody else."""
    other = cell.bystander
    if other.path == USUAL_BYSTANDER.path or other.median_ms is None:
        return ""
    least = "at least " if 2 * other.unanswered >= other.pings else ""
    return f" Somebody else's {other.path} took {least}{duration(other.median_ms)} (median)."


def because(cell: CellSummary) -> str:
    limit = cell.predicted.limited_by if cell.predicted is not None else None
    why = LIMITS.get(limit or "")
    return f" What limits it, by theory: {why}." if why else ""
