"""Latency of the background requests, which are not part of the load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.answers.base import Statement
from analysis.answers.factors import join_words
from analysis.answers.harm import count_refused
from analysis.answers.measured_scenario import Family, MeasuredScenario
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.predicates import BYSTANDER_NOTED_MS
from scenarios.model import Threads

LONGER = 3.0
"""A wait is long from this multiple of the shortest: on a busy core, a background request of a few
milliseconds takes twice as long."""
MOST_QUICK = 3
RULES: Mapping[str, str] = {"/sync/health": "health", "/guarded/sync": "depends"}
"""By the background request's path in the catalogue."""
THREAD_RULES: Mapping[Threads, str] = {
    "anyio's pool": "small-pool",
    "asyncio's executor": "second-pool",
}


@dataclass(frozen=True)
class Waits:
    """The cases of a family whose background requests wait long, and those where they do not."""

    slow: tuple[MeasuredScenario, ...]
    quick: tuple[MeasuredScenario, ...]

    @property
    def paths(self) -> set[str]:
        return {each.scenario.bystander.path for each in (*self.slow, *self.quick)}

    @property
    def are_bounds(self) -> bool:
        return any(each.is_background_bound for each in self.slow)


def find_waits(results: Results) -> list[Waits]:
    """Leave out cases that a blocking call or one client per request explains."""
    explained = {
        each.case.name
        for each in results.slower
        if each.cause in ("blocking call", "client per request")
    }
    found = (divide_family(each, explained) for each in results.families)
    return [each for each in found if each.slow and each.quick]


def divide_family(family: Family, explained: set[str]) -> Waits:
    known = [
        each
        for each in family.cases
        if each.is_clean and each.background_ms is not None and each.name not in explained
    ]
    waits_ms = [get_wait_ms(each) for each in known]
    least_ms, most_ms = min(waits_ms, default=0.0), max(waits_ms, default=0.0)
    long_ms = max(BYSTANDER_NOTED_MS, LONGER * least_ms)
    slow = tuple(each for each in known if get_wait_ms(each) >= long_ms)
    sound = [each for each in known if each not in slow and not count_refused(each)[0]]
    quick = [each for each in sound if LONGER * get_wait_ms(each) <= most_ms]
    return Waits(slow, tuple(sorted(quick, key=get_wait_ms)[:MOST_QUICK]))


def get_wait_ms(case: MeasuredScenario) -> float:
    return case.background_ms or 0.0


def list_waits(cases: Sequence[MeasuredScenario]) -> tuple[str, ...]:
    return tuple(formats.duration(get_wait_ms(each)) for each in cases)


class PathWait(Statement):
    """Under the same load, background requests wait on some paths and not on others."""

    rank = 8

    slow: tuple[str, ...]
    """Paths."""
    slow_waits: tuple[str, ...]
    are_bounds: bool
    quick: tuple[str, ...]
    quick_waits: tuple[str, ...]
    threads: Threads | None
    """The threads that all slow paths need; None if they need none, or different ones."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(cls.build(each) for each in find_waits(results) if len(each.paths) > 1)

    @classmethod
    def build(cls, waits: Waits) -> Statement:
        needs = {each.scenario.bystander.needs for each in waits.slow}
        return cls(
            slow=tuple(each.scenario.bystander.path for each in waits.slow),
            slow_waits=list_waits(waits.slow),
            are_bounds=waits.are_bounds,
            quick=tuple(each.scenario.bystander.path for each in waits.quick),
            quick_waits=list_waits(waits.quick),
            threads=needs.pop() if len(needs) == 1 else None,
        )

    @property
    def message(self) -> str:
        least = "at least " if self.are_bounds else ""
        takes = "take" if len(self.slow) > 1 else "takes"
        found = (
            f"Under the same load, {join_words(self.slow)} {takes} {least}"
            f"{join_words(self.slow_waits)} (median) but {join_words(self.quick)} only "
            f"{join_words(self.quick_waits)}"
        )
        if self.threads is None:
            return f"{found}."
        waits = "the slow paths wait" if len(self.slow) > 1 else "the slow path waits"
        return f"{found}; {waits} for a thread of {self.threads}."

    @property
    def rule(self) -> str | None:
        if self.threads is None:
            return None
        return RULES.get(self.slow[0], THREAD_RULES[self.threads])

    @property
    def change(self) -> str:
        if self.threads is None:
            return ""
        return f"rewrite {join_words(self.slow)} to need no thread of {self.threads}"


class BackgroundWait(Statement):
    """Background requests to the same path wait much longer in some scenarios than in others."""

    rank = 55

    path: str
    slow: tuple[str, ...]
    """Scenarios."""
    slow_waits: tuple[str, ...]
    are_bounds: bool
    quick: tuple[str, ...]
    quick_waits: tuple[str, ...]

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(
            cls(
                path=min(each.paths),
                slow=tuple(one.name for one in each.slow),
                slow_waits=list_waits(each.slow),
                are_bounds=each.are_bounds,
                quick=tuple(one.name for one in each.quick),
                quick_waits=list_waits(each.quick),
            )
            for each in find_waits(results)
            if len(each.paths) == 1
        )

    @property
    def message(self) -> str:
        least = "at least " if self.are_bounds else ""
        return (
            f"Background requests to {self.path} take {least}{join_words(self.slow_waits)} "
            f"(median) in {join_words(self.slow)}, but only {join_words(self.quick_waits)} in "
            f"{join_words(self.quick)}."
        )
