"""The answer in a sentence or two: what one cell says of its endpoint."""

from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_own_bystander, has_starved_users
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


def write_headline(cell: CellSummary, scenario: Scenario) -> str:
    if cell.interrupted and not cell.requests:
        return f"Cut short: {cell.interrupted}."
    if not cell.requests:
        return "Nobody was answered in the window."
    cut = f"Cut short ({cell.interrupted}): " if cell.interrupted else ""
    told = f"{cut}{describe_throughput(cell)}; {describe_latency(cell)}. "
    told += describe_threads(cell, scenario)
    return told + describe_limit(cell) + describe_bystander(cell)


def describe_throughput(cell: CellSummary) -> str:
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


def describe_latency(cell: CellSummary) -> str:
    if cell.open_loop is not None and cell.open_loop.overloaded:
        return "how long they took only says how long the test was"
    if has_starved_users(cell) and cell.users_longest_wait_median_ms is not None:
        longest = format_duration(cell.users_longest_wait_median_ms)
        return f"half of the users waited {longest} or more for one of theirs"
    if has_starved_users(cell):
        return "many were never answered, and what the others waited tells little"
    median, p99 = format_duration(cell.median_ms), format_duration(cell.p99_ms)
    return f"half of the answers took {median} or less, 99 % {p99}"


def format_duration(value_ms: float | None) -> str:
    if value_ms is None or value_ms < 1000:
        return f"{formats.milliseconds(value_ms)} ms"
    return f"{formats.decimal(value_ms / 1000)} s"


def describe_threads(cell: CellSummary, scenario: Scenario) -> str:
    style = scenario.endpoint.style
    if cell.threads_spawned is None or cell.threads_active_mean is None:
        return f"The endpoint is {style}."
    lived = "one thread" if cell.threads_spawned == 1 else f"{cell.threads_spawned:,} threads"
    active = formats.decimal(cell.threads_active_mean)
    return f"The endpoint is {style}: {lived}, {active} of them inside it on average."


def describe_bystander(cell: CellSummary) -> str:
    """Where it is the question what becomes of somebody else."""
    other = cell.bystander
    if not has_own_bystander(cell) or other.median_ms is None:
        return ""
    least = "at least " if other.median_is_lower_bound else ""
    return f" Somebody else's {other.path} took {least}{format_duration(other.median_ms)} (median)."


def describe_limit(cell: CellSummary) -> str:
    limit = cell.predicted.limited_by if cell.predicted is not None else None
    why = LIMITS.get(limit or "")
    return f" What limits it, by theory: {why}." if why else ""
