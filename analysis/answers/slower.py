"""Scenarios that clearly serve less than another one of their family, and the cause."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.answers.factors import LIFE, Factor, get_pool, list_differences
from analysis.answers.measured_scenario import (
    MOST_OF_THE_TIME,
    Family,
    MeasuredScenario,
    serves_more,
)
from analysis.summary.model import CellSummary
from scenarios.model import THREADS_OF

Cause = Literal[
    "blocking call",
    "client per request",
    "pool threads",
    "client connections",
    "database connections",
    "interpreter",
    "one setting",
    "several settings",
]


@dataclass(frozen=True)
class Slower:
    """reference: the case that clearly serves more, shows the cause and differs in the fewest
    settings; the fastest of several such."""

    case: MeasuredScenario
    reference: MeasuredScenario
    cause: Cause

    @property
    def differences(self) -> tuple[Factor, ...]:
        return list_differences(self.case.scenario, self.reference.scenario)

    @property
    def ratio(self) -> float | None:
        """Throughput of the reference over that of the case; None where the case serves nothing."""
        return self.reference.rate / self.case.rate if self.case.rate else None


def compare_case(case: MeasuredScenario, family: Family) -> Slower | None:
    """Return None where no other case clearly serves more."""
    faster = [each for each in family.cases if serves_more(each, case)]
    if not faster:
        return None
    if shared := select_sharing(case, faster):
        return Slower(case, find_nearest(case, shared), "client per request")
    reference = find_nearest(case, faster)
    return Slower(case, reference, find_cause(case, reference))


def find_nearest(case: MeasuredScenario, others: Sequence[MeasuredScenario]) -> MeasuredScenario:
    """Find the one that differs in the fewest settings; the fastest of several such."""

    def rank_reference(other: MeasuredScenario) -> tuple[bool, int, float]:
        """Another language explains nothing if a Python server shows the same."""
        is_other = case.scenario.server.is_python != other.scenario.server.is_python
        return is_other, len(list_differences(case.scenario, other.scenario)), -other.rate

    return min(others, key=rank_reference)


def select_sharing(
    case: MeasuredScenario, faster: Sequence[MeasuredScenario]
) -> list[MeasuredScenario]:
    """Select cases with one client for all requests that show what one client per request costs:
    those that differ in nothing else; all of them if creating clients blocks the event loop."""
    if not makes_clients(case):
        return []
    shared = [each for each in faster if (own := each.scenario.client) and own.life == "shared"]
    if is_blocked_by_clients(case):
        return shared
    return [each for each in shared if list_names(case, each) == [LIFE]]


def list_names(case: MeasuredScenario, other: MeasuredScenario) -> list[str]:
    return [each.name for each in list_differences(case.scenario, other.scenario)]


def find_cause(case: MeasuredScenario, reference: MeasuredScenario) -> Cause:
    """Find the cause in the case's measurements: a blocked event loop or a full resource; else in
    the settings in which the two differ."""
    if case.blocked_share is not None:
        return "blocking call"
    for cause, has_more in HAS_MORE.items():
        if case.limit and case.limit.resource == cause and has_more(case, reference):
            return cause
    return "one setting" if len(list_names(case, reference)) == 1 else "several settings"


def has_more_threads(case: MeasuredScenario, reference: MeasuredScenario) -> bool:
    """Return True also if the reference needs none. No setting sizes asyncio's executor."""
    if THREADS_OF.get(reference.scenario.endpoint.style) == "asyncio's executor":
        return False
    own, other = get_pool(case.scenario), get_pool(reference.scenario)
    return other is None or (own is not None and count_all(case, own) < count_all(reference, other))


def has_more_connections(case: MeasuredScenario, reference: MeasuredScenario) -> bool:
    own, other = case.scenario.client, reference.scenario.client
    return own is not None and (
        other is None or count_all(case, own.connections) < count_all(reference, other.connections)
    )


def has_more_database_connections(case: MeasuredScenario, reference: MeasuredScenario) -> bool:
    own, other = case.scenario.database, reference.scenario.database
    if own is None or other is None:
        return False
    return count_all(case, own.pool) < count_all(reference, other.pool)


def count_all(case: MeasuredScenario, count: int) -> int:
    """Count the threads or connections of all workers. count: in each worker."""
    return count * case.scenario.server.workers


def needs_less_cpu(case: MeasuredScenario, reference: MeasuredScenario) -> bool:
    """Return True also if the reference may use more interpreters."""
    own, other = (each.get_median("cpu_ms_per_request") for each in (case, reference))
    server, style = reference.scenario.server, reference.scenario.endpoint.style
    if style == "async def with processes" or server.workers > case.scenario.server.workers:
        return True
    return own is not None and other is not None and other < own


HAS_MORE: Mapping[Cause, Callable[[MeasuredScenario, MeasuredScenario], bool]] = {
    "pool threads": has_more_threads,
    "client connections": has_more_connections,
    "database connections": has_more_database_connections,
    "interpreter": needs_less_cpu,
}
"""For each full resource, a test that the reference has more of it or needs less. If neither,
something else makes the difference."""


def makes_clients(case: MeasuredScenario) -> bool:
    client = case.scenario.client
    return client is not None and client.life == "per-request"


def is_blocked_by_clients(case: MeasuredScenario) -> bool:
    """Return True if creating clients blocked the event loop most of the time in every trial."""
    trials = case.usable_trials
    return bool(trials) and all(is_blocked_opening(each, case) for each in trials)


def is_blocked_opening(cell: CellSummary, case: MeasuredScenario) -> bool:
    client = case.scenario.client
    if client is None:
        return False
    module = f"{client.library}_client.py"
    opening = sum(
        each.share
        for each in cell.blocking_sites
        if (each.file or "").endswith(f"/{module}") and (each.function or "").startswith("open_")
    )
    return opening * (cell.loop_blocked_share or 0.0) > MOST_OF_THE_TIME


def sort_by_harm(slower: Sequence[Slower]) -> list[Slower]:
    """Sort by throughput relative to the reference, the lowest first."""
    return sorted(slower, key=lambda each: each.case.rate / each.reference.rate)
