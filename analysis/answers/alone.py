"""What a scenario serves of what its load asks, and why it is no more: where no other one compares
with it, and where all others serve less."""

from analysis.answers.base import Statement
from analysis.answers.case import Case, Served
from analysis.answers.harm import describe_harm
from analysis.answers.limit_words import CHANGES, RULES, describe_limit
from analysis.answers.results import Results
from analysis.answers.slower import is_blocked_by_call, is_blocked_by_clients
from analysis.stats import formats
from analysis.summary.limit import Resource
from analysis.summary.predicates import has_affected_bystander

OPENING = "making a client for each request blocks the event loop"


def explain(case: Case) -> str:
    """As a clause."""
    if is_blocked_by_clients(case):
        return OPENING
    if is_blocked_by_call(case):
        share = formats.percent(case.get_median("loop_blocked_share"))
        return f"a blocking call blocks the event loop for {share} of the time"
    return describe_limit(case.limit)


def find_resource(case: Case) -> Resource | None:
    if is_blocked_by_call(case):
        return "event loop"
    return case.limit.resource if case.limit else None


def has_notable_wait(case: Case) -> bool:
    return any(map(has_affected_bystander, case.usable_trials))


class OneScenario(Statement):
    """No other one has the same load and the same work."""

    rank = 14

    served: Served
    ceiling_rps: float | None
    why: str
    resource: Resource | None
    unanswered: int | None
    users: int
    path: str
    """Of the background request."""
    wait_ms: float | None
    """Where it is long, or what the scenario asks."""
    wait_is_bound: bool

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        alone = (each.cases[0] for each in results.families if len(each.cases) == 1)
        return tuple(cls.build(each) for each in alone)

    @classmethod
    def build(cls, case: Case) -> Statement:
        return cls(
            served=case.served,
            ceiling_rps=case.ceiling_rps,
            why=explain(case),
            resource=find_resource(case),
            unanswered=case.unanswered,
            users=case.scenario.load.users,
            path=case.scenario.bystander.path,
            wait_ms=case.background_ms if has_notable_wait(case) else None,
            wait_is_bound=case.is_background_bound,
        )

    @property
    def message(self) -> str:
        most = self.ceiling_rps
        possible = "" if most is None else f" of {formats.short_number(most)} possible"
        harm = describe_harm(self)
        found = f"{self.served.name} serves {self.served}{possible} requests/s: {self.why}"
        return f"{found}; {harm}." if harm else f"{found}."

    @property
    def rule(self) -> str | None:
        if self.why == OPENING:
            return "client-life"
        return RULES.get(self.resource) if self.resource else None

    @property
    def change(self) -> str:
        if self.why == OPENING:
            return "make one client when the app starts, and use it for all requests"
        return CHANGES.get(self.resource, "") if self.resource else ""


class BestScenario(Statement):
    """The best of a family does not reach what its load asks for."""

    rank = 18

    served: Served
    ceiling_rps: float
    why: str
    resource: Resource | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        best = (each.best for each in results.families if each.has_clear_best)
        return tuple(
            cls(
                served=each.served,
                ceiling_rps=each.ceiling_rps,
                why=explain(each),
                resource=find_resource(each),
            )
            for each in best
            if each.ceiling_rps is not None and not each.reaches_ceiling and each.limit is not None
        )

    @property
    def message(self) -> str:
        return (
            f"{self.served.name} serves the most, {self.served} of "
            f"{formats.short_number(self.ceiling_rps)} possible requests/s: {self.why}."
        )

    @property
    def rule(self) -> str | None:
        if self.why == OPENING:
            return "client-life"
        return RULES.get(self.resource) if self.resource else None

    @property
    def change(self) -> str:
        if self.why == OPENING:
            return "make one client when the app starts, and use it for all requests"
        return CHANGES.get(self.resource, "") if self.resource else ""
