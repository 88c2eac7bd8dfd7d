"""The effect of a trial, from its rounds."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import polars as pl

from analysis.findings.remedies import FailureChange, RouteChange, Tried
from analysis.findings.trials.route_rounds import (
    LEAST_REQUESTS,
    RouteRound,
    build_level,
    list_route_rounds,
)
from analysis.stats import formats
from analysis.stats.intervals import compute_ratio_interval
from records.trial import LEAST_OF_EACH, TrialRecord

COVERAGE = 0.90
"""What three rounds per side allow: two of the 20 orders of six rounds separate the sides."""
CLEAR = 1.1
"""An interval beyond this ratio is clear: chance separates one comparison in ten, but seldom by
this much. None of 33 comparisons of a service with itself was clear."""
LEAST_FAILURES = 0.01
FEW_FAILURES = 0.1
"""With more, the median may be that of failures."""
TOO_FEW = (
    f"no route was called {LEAST_REQUESTS} times in each round; select fewer routes with "
    "--request, or add --users"
)
UNANSWERED = "in some rounds, most requests were never answered"


def judge_trial(record: TrialRecord, asked: Mapping[str, pl.DataFrame]) -> Tried:
    """asked: the table of each round's cell."""
    sides = [each.side for each in record.rounds]
    count = min(sides.count("before"), sides.count("after"))
    if record.invalid is not None:
        return Tried(record.trial, count, reason=record.invalid)
    if count < LEAST_OF_EACH:
        ended = formats.count_things(count, "round")
        said = f"{ended} per side ended, but a comparison needs {LEAST_OF_EACH}"
        return Tried(record.trial, count, reason=said)
    routes = list_route_rounds(record.rounds, asked)
    failures = tuple(list_failures(routes))
    excluded = {each.route for each in failures if max(each.before, each.after) > FEW_FAILURES}
    changes = tuple(list_changes(routes, excluded, count))
    is_empty = not changes and not failures
    return Tried(
        record.trial, count, changes, tuple(each.route for each in changes if is_worse(each)),
        failures, compare_memory(record), record.warnings,
        explain_no_result(routes) if is_empty else None,
    )  # fmt: skip


def explain_no_result(routes: Mapping[str, Sequence[RouteRound]]) -> str:
    """Explain why no route could be compared."""
    rounds = [each for found in routes.values() for each in found]
    is_silent = any(each.p50_ms is None and each.requests >= LEAST_REQUESTS for each in rounds)
    return UNANSWERED if is_silent else TOO_FEW


def list_changes(
    routes: Mapping[str, Sequence[RouteRound]], excluded: set[str], count: int
) -> Iterator[RouteChange]:
    """Yield changes of the routes that each round measured. excluded: those with changed and many
    failures, since the latency of failures says nothing."""
    for route, rounds in routes.items():
        sides = split_sides([each for each in rounds if each.requests >= LEAST_REQUESTS])
        if route in excluded or any(len(side) < count for side in sides):
            continue
        before, after = (build_level(route, side) for side in sides)
        if before is None or after is None:
            continue
        medians = [[each.p50_ms for each in side if each.p50_ms is not None] for side in sides]
        found = compute_ratio_interval(medians[1], medians[0], COVERAGE)
        ratio = before.p50_ms / after.p50_ms
        if found.low is not None and found.high is not None:
            low, high = min(found.low, ratio), max(found.high, ratio)
            yield RouteChange(route, before, after, ratio, low, high)


def split_sides(rounds: Sequence[RouteRound]) -> tuple[list[RouteRound], list[RouteRound]]:
    """Return the rounds before and those after the change."""
    before = [each for each in rounds if each.side == "before"]
    return before, [each for each in rounds if each.side == "after"]


def list_failures(routes: Mapping[str, Sequence[RouteRound]]) -> Iterator[FailureChange]:
    """Yield routes whose shares of failures do not overlap between the sides."""
    for route, rounds in routes.items():
        before, after = split_sides(rounds)
        if len(before) < LEAST_OF_EACH or len(after) < LEAST_OF_EACH:
            continue
        shares = [[each.failed_share for each in side] for side in (before, after)]
        is_apart = min(shares[1]) > max(shares[0]) or min(shares[0]) > max(shares[1])
        change = FailureChange(route, measure_failures(before), measure_failures(after))
        if is_apart and abs(change.after - change.before) >= LEAST_FAILURES:
            yield change


def compare_memory(record: TrialRecord) -> tuple[float, float] | None:
    """Return both sides' medians in MB, unless their rounds overlap."""
    sides = [
        [each.memory_mb for each in record.rounds if each.side == side and each.memory_mb]
        for side in ("before", "after")
    ]
    if min(map(len, sides)) < LEAST_OF_EACH:
        return None
    before, after = sides
    is_apart = min(after) > CLEAR * max(before) or min(before) > CLEAR * max(after)
    return (median(before), median(after)) if is_apart else None


def measure_failures(rounds: Sequence[RouteRound]) -> float:
    return sum(each.failed for each in rounds) / sum(each.requests for each in rounds)


def is_better(change: RouteChange) -> bool:
    return change.low >= CLEAR


def is_worse(change: RouteChange) -> bool:
    return change.high <= 1 / CLEAR
