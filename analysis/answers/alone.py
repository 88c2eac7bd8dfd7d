"""A scenario that no other one compares with: what it serves of what its load asks, and why."""

from analysis.answers.base import Statement
from analysis.answers.limit_words import CHANGES, RULES, describe_limit
from analysis.answers.results import Case, Results
from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit


class OneScenario(Statement):
    rank = 65

    name: str
    rps: float
    is_bound: bool
    """Whether something that is not the service may have cost throughput."""
    ceiling_rps: float | None
    limit: MeasuredLimit | None
    unanswered: int | None
    users: int

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        alone = (each.cases[0] for each in results.families if len(each.cases) == 1)
        return tuple(cls.build(each) for each in alone)

    @classmethod
    def build(cls, case: Case) -> Statement:
        return cls(
            name=case.name,
            rps=case.rate,
            is_bound=not case.is_clean,
            ceiling_rps=case.ceiling_rps,
            limit=case.limit,
            unanswered=case.unanswered,
            users=case.scenario.load.users,
        )

    @property
    def message(self) -> str:
        least = "at least " if self.is_bound else ""
        possible = (
            "" if self.ceiling_rps is None else f" of {formats.short_number(self.ceiling_rps)}"
        )
        asked = f"{possible} possible" if possible else ""
        starved = (
            f", and {self.unanswered} of {self.users} users get no answer at all"
            if self.unanswered
            else ""
        )
        return (
            f"{self.name} serves {least}{formats.short_number(self.rps)}{asked} requests/s: "
            f"{describe_limit(self.limit)}{starved}."
        )

    @property
    def rule(self) -> str | None:
        return RULES.get(self.limit.resource) if self.limit else None

    @property
    def change(self) -> str:
        return CHANGES.get(self.limit.resource, "") if self.limit else ""
