"""Predicates on a cell's figures: which are reliable, which need a note, which cell is best."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from analysis.measures.probe_metrics import BlockingSite
from analysis.metrics import Metric, get_value
from analysis.summary.model import CellSummary
from analysis.verdicts.base import Data
from records.cell import BY_SERVER
from scenarios.model import FOREIGN_BYSTANDER, BackgroundRequest

Mark = Literal["best", "worst"]

FAILURES_LIMIT_RATIO = 0.01
MISSED_SHARE = 0.03
"""Tolerance of a prediction without a range."""
GROWN_CPU = 1.1
BYSTANDER_NOTED_MS = 100.0
USUAL_BYSTANDER = BackgroundRequest()
APART = 1.05
"""Two values within this ratio tie."""
BLOCKED_NOTED_SHARE = 0.1
"""Below this share, garbage collection or waiting for the GIL blocks the loop."""
OF_NO_CALL = ("compute", "gc", "gil")
"""Causes of a block that is no call which waits."""
OF_RESOURCES = (
    "DESCRIPTORS", "GENERATOR_SATURATED", "CPU_THROTTLED", "CORES_FULL", "INTERPRETER_FULL",
)  # fmt: skip
"""Verdicts that say that a resource is full, or may be."""


def has_starved_users(cell: CellSummary) -> bool:
    """Return True if the median lacks starved users."""
    return any(
        (each.code == "UNFINISHED" and each.severity != "info")
        or (each.code == "LITTLE_MISMATCH" and each.severity == "error")
        for each in cell.verdicts
    )


def has_many_failures(cell: CellSummary) -> bool:
    """Return True if too many requests fail for the latencies to mean anything: the time of a
    refusal says nothing about the service."""
    return (cell.failure_ratio or 0.0) > FAILURES_LIMIT_RATIO


def is_overloaded(cell: CellSummary) -> bool:
    """Return True if its latencies only show how long the test ran, or how fast requests fail."""
    return cell.open_loop is not None and cell.open_loop.overloaded


def is_overloaded_by_failures(cell: CellSummary) -> bool:
    """Return True if no queue grows: the service answers, but a part of it are failures."""
    return is_overloaded(cell) and find_data(cell, "OVERLOADED").get("cause") == "failures"


def has_blocked_loop(cell: CellSummary) -> bool:
    """Return True if known code blocked the event loop for a notable share of the window."""
    return bool(cell.blocking_sites) and (cell.loop_blocked_share or 0) > BLOCKED_NOTED_SHARE


def computes_on_loop(cell: CellSummary) -> bool:
    """Return True if mostly computation, not waiting calls, blocks the event loop."""
    return sum(each.share for each in cell.blocking_sites if each.cause == "compute") > 0.5


def select_sites(sites: Sequence[BlockingSite], computes: bool) -> list[BlockingSite]:
    """Select those that compute, or else those of calls that block."""
    is_kind = (lambda each: each.cause == "compute") if computes else is_blocking_call
    return list(filter(is_kind, sites))


def is_blocking_call(site: BlockingSite) -> bool:
    """Return True also if the cause is unknown."""
    return site.cause not in OF_NO_CALL


def measure_blocking_calls(cell: CellSummary) -> float:
    """Compute the share of time for which calls that wait blocked the event loop."""
    others = sum(each.share for each in cell.blocking_sites if not is_blocking_call(each))
    return (cell.loop_blocked_share or 0.0) * (1 - others)


def list_death_causes(cell: CellSummary) -> list[str]:
    """List each cause of a worker's death once; empty where none is recorded."""
    found = (each.data.get("causes") for each in cell.verdicts if each.code == "WORKER_DEATHS")
    return [cause for each in found if isinstance(each, str) for cause in each.split(", ")]


def are_kills(causes: Sequence[str]) -> bool:
    """Return True if the server killed every worker that died, for an unresponsive event loop."""
    return bool(causes) and all(each.startswith(BY_SERVER) for each in causes)


def has_affected_bystander(cell: CellSummary) -> bool:
    """Return True if background requests were slow or failed, or are the scenario's question."""
    other = cell.bystander
    slow = (other.median_ms or 0) > BYSTANDER_NOTED_MS
    return slow or bool(other.failures) or has_own_bystander(cell)


def has_own_bystander(cell: CellSummary) -> bool:
    """Return True if the scenario is about one particular background request."""
    return cell.bystander.path not in (USUAL_BYSTANDER.path, FOREIGN_BYSTANDER.path)


def has_grown_cpu(cell: CellSummary) -> bool:
    """Return True if a prediction was missed because CPU per request grew: the server shares a core
    with the load, or more requests are in flight than during calibration."""
    theory, cpu_ms = cell.predicted, cell.cpu_ms_per_request
    if theory is None or not theory.ok_rps or not theory.cpu_loaded_ms or cpu_ms is None:
        return False
    low, ok_rps = theory.low, cell.ok_rps or 0.0
    missed = abs(ok_rps / theory.ok_rps - 1) > MISSED_SHARE if low is None else ok_rps < low
    return missed and cpu_ms > GROWN_CPU * theory.cpu_loaded_ms


def get_comparable_value(cell: CellSummary, metric: Metric) -> float | None:
    """Return None where the value does not compare: latencies with starved users, under overload or
    with many failures, and the throughput of an open loop, which is the offered rate."""
    offered = metric.key == "ok_rps" and cell.open_loop is not None
    if metric.better is None or cell.interrupted or offered:
        return None
    doubted = has_many_failures(cell) or has_starved_users(cell) or is_overloaded(cell)
    return None if metric.is_latency and doubted else get_value(cell, metric.key)


def is_worth_praise(cell: CellSummary, metric: Metric) -> bool:
    """Return True if a good figure may be marked. A cell that serves little also needs little: with
    starved users, a blocked loop or dead workers, only throughput counts."""
    fails = has_many_failures(cell) or is_overloaded(cell) or bool(cell.worker_restarts)
    serves = not (has_starved_users(cell) or has_blocked_loop(cell) or fails)
    return metric.key == "ok_rps" or serves


def mark_extremes(cells: Sequence[CellSummary], metric: Metric) -> Mapping[int, Mark]:
    """Map a cell's index to its mark. Compare only cells with the same number of users."""
    marks: dict[int, Mark] = {}
    for users in dict.fromkeys(each.users for each in cells):
        alike = {place: cell for place, cell in enumerate(cells) if cell.users == users}
        marks |= mark_alike(alike, metric)
    return marks


def mark_alike(cells: Mapping[int, CellSummary], metric: Metric) -> Mapping[int, Mark]:
    """Mark all within 5 % of the best as best, and of the worst as worst. Mark nothing where all
    tie, and no group of more than half the cells."""
    values = {place: get_comparable_value(cell, metric) for place, cell in cells.items()}
    known = {place: each for place, each in values.items() if each is not None}
    praised = {place for place in known if is_worth_praise(cells[place], metric)}
    if len(known) < 2 or max(known.values()) <= min(known.values()) * APART:
        return {}
    choose_best, choose_worst = (max, min) if metric.better == "higher" else (min, max)
    worst = choose_worst(known.values())
    best = choose_best((known[place] for place in praised), default=worst)
    slowest = [place for place in known if are_alike(known[place], worst)]
    fastest = [place for place in praised if are_alike(known[place], best)]
    marked: Sequence[tuple[Mark, Sequence[int]]] = (
        ("worst", slowest),
        ("best", [] if are_alike(best, worst) else fastest),
    )
    few = {mark: places for mark, places in marked if 2 * len(places) <= len(known)}
    return {place: mark for mark, places in few.items() for place in places}


def are_alike(one: float, other: float) -> bool:
    return max(one, other) <= APART * min(one, other)


def compute_server_cores(cell: CellSummary) -> float | None:
    if cell.cpu_ms_per_request is None or cell.rps is None:
        return None
    return cell.rps * cell.cpu_ms_per_request / 1000


def measure_arrivals_rps(cell: CellSummary) -> float | None:
    """Return the rate of an open loop. Of random arrivals it is the rate that came, since their
    number is chance, unless the load generator may have been the limit."""
    loop = cell.open_loop
    if loop is None:
        return None
    is_limited = any(each.code == "GENERATOR_SATURATED" for each in cell.verdicts)
    is_chance = loop.arrivals == "poisson" and not is_limited
    return loop.offered_rps if is_chance else loop.arrival_rate


def find_resource_code(codes: Collection[str]) -> str | None:
    return next((each for each in OF_RESOURCES if each in codes), None)


def find_data(cell: CellSummary, code: str) -> Data:
    return next((each.data for each in cell.verdicts if each.code == code), {})
