"""The share of its load that a scenario serves, and its limit: for a scenario without a comparable
one, and for the best of a family."""

from analysis.answers.base import Statement
from analysis.answers.explanation import Explanation, explain, get_possible_rps
from analysis.answers.harm import Harm, describe_harm, find_harm
from analysis.answers.measured_scenario import MeasuredScenario, Served
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.predicates import has_affected_bystander


class OneScenario(Statement):
    """No other scenario has the same load and the same work."""

    rank = 14

    served: Served
    ceiling_rps: float | None
    why: Explanation
    harm: Harm
    """Has the wait only where it is long."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        alone = (each.cases[0] for each in results.families if len(each.cases) == 1)
        return tuple(cls.build(each) for each in alone)

    @classmethod
    def build(cls, case: MeasuredScenario) -> Statement:
        notable = any(map(has_affected_bystander, case.usable_trials))
        return cls(
            served=case.served,
            ceiling_rps=get_possible_rps(case),
            why=explain(case),
            harm=find_harm(case, notable),
        )

    @property
    def message(self) -> str:
        most = self.ceiling_rps
        possible = "" if most is None else f" of a possible {formats.short_number(most)}"
        found = f"{self.served.name} serves {self.served}{possible} requests/s: {self.why.clause}"
        harm = describe_harm(self.harm)
        return f"{found}; {harm}." if harm else f"{found}."

    @property
    def rule(self) -> str | None:
        return self.why.rule

    @property
    def change(self) -> str:
        return self.why.change


class BestScenario(Statement):
    """The best of a family serves less than its load offers."""

    rank = 18

    served: Served
    ceiling_rps: float
    why: Explanation

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        best = (each.best for each in results.families if each.has_clear_best)
        return tuple(
            cls(served=each.served, ceiling_rps=most, why=explain(each))
            for each in best
            if (most := each.ceiling_rps) is not None
            and not each.reaches_ceiling
            and each.limit is not None
        )

    @property
    def message(self) -> str:
        return (
            f"{self.served.name} has the highest throughput, {self.served} of a possible "
            f"{formats.short_number(self.ceiling_rps)} requests/s: {self.why.clause}."
        )

    @property
    def rule(self) -> str | None:
        return self.why.rule

    @property
    def change(self) -> str:
        return self.why.change
