"""What becomes of a background request that is not part of the load."""

from collections.abc import Mapping

from analysis.answers.base import Statement
from analysis.answers.factors import describe_style
from analysis.answers.results import Case, Family, Results
from analysis.stats import formats
from analysis.summary.predicates import BYSTANDER_NOTED_MS
from scenarios.model import Threads

LONGER = 3.0
"""Times as long as in the other scenario: a background request of some milliseconds takes twice as
long on a busy core."""
RULES: Mapping[str, str] = {
    "/sync/health": "health",
    "/guarded/sync": "depends",
    "/sync/ping": "background",
}
"""By the background request's path in the catalogue."""
THREAD_RULES: Mapping[Threads, str] = {
    "anyio's pool": "small-pool",
    "asyncio's executor": "second-pool",
}


class BackgroundWait(Statement):
    """A background request that waits much longer in one scenario than in another one with the
    same load, where no blocking call or client explains the throughput."""

    rank = 55

    name: str
    path: str
    wait_ms: float
    is_bound: bool
    threads: Threads | None
    """Whose threads it needs, if any."""
    style: str
    reference: str
    reference_path: str
    reference_ms: float

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(family) for family in results.families)
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, family: Family) -> Statement | None:
        known = [each for each in family.cases if each.is_clean and get_wait_ms(each) is not None]
        if len(known) < 2:
            return None
        worst, best = (choose(known, key=rank_wait) for choose in (max, min))
        wait_ms, least_ms = rank_wait(worst), rank_wait(best)
        if wait_ms < max(BYSTANDER_NOTED_MS, LONGER * least_ms) or is_bound(best):
            return None
        return cls(
            name=worst.name,
            path=worst.scenario.bystander.path,
            wait_ms=wait_ms,
            is_bound=is_bound(worst),
            threads=worst.scenario.bystander.needs,
            style=describe_style(worst.scenario),
            reference=best.name,
            reference_path=best.scenario.bystander.path,
            reference_ms=least_ms,
        )

    @property
    def message(self) -> str:
        least = "at least " if self.is_bound else ""
        return (
            f"A background request to {self.path} takes {least}{formats.duration(self.wait_ms)} "
            f"(median) while {self.name} runs; one to {self.reference_path} while "
            f"{self.reference} runs takes {formats.duration(self.reference_ms)}."
        )

    @property
    def rule(self) -> str | None:
        if self.threads is not None:
            return RULES.get(self.path, THREAD_RULES[self.threads])
        return None

    @property
    def change(self) -> str:
        if self.threads is None:
            return ""
        return f"do not let {self.path} need a thread of {self.threads} that others have taken"


def get_wait_ms(case: Case) -> float | None:
    return case.get_median("bystander.median_ms")


def rank_wait(case: Case) -> float:
    return get_wait_ms(case) or 0.0


def is_bound(case: Case) -> bool:
    return any(each.bystander.median_is_lower_bound for each in case.usable_trials)
