"""Scenarios whose requests fail."""

from analysis.answers.base import Statement
from analysis.answers.factors import name_some
from analysis.answers.harm import count_refused
from analysis.answers.results import Results
from analysis.answers.slower import sort_by_harm
from analysis.stats import formats
from analysis.summary.predicates import FAILURES_LIMIT_RATIO


class FailingAnswers(Statement):
    rank = 56

    names: tuple[str, ...]
    ratios: tuple[float, ...]
    """Failures per completed request."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = [
            (each.name, ratio)
            for each in results.cases
            if (ratio := each.get_median("failure_ratio")) is not None
            and ratio > FAILURES_LIMIT_RATIO
        ]
        if not found:
            return ()
        found.sort(key=lambda each: -each[1])
        names, ratios = zip(*found, strict=True)
        return (cls(names=names, ratios=ratios),)

    @property
    def message(self) -> str:
        worst = formats.percent(max(self.ratios))
        if len(self.names) == 1:
            return f"{worst} of the requests in {self.names[0]} fail."
        return (
            f"Requests fail in {name_some(self.names)}: {worst} in {self.names[0]}, "
            f"{formats.percent(min(self.ratios))} in {self.names[-1]}."
        )


class FailingBackground(Statement):
    """Failing background requests of scenarios that are compared."""

    rank = 57

    path: str
    failing: tuple[tuple[str, int, int], ...]
    """Scenario, its failed background requests, and all of them."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        """Leave out scenarios that stand alone, and those whose harm `BlockingCall` has."""
        blocked = results.select_caused("blocking call")
        said = [sort_by_harm(each)[0].case for each in blocked]
        cases = [one for each in results.families if len(each.cases) > 1 for one in each.cases]
        failing: dict[str, list[tuple[str, int, int]]] = {}
        for each in cases:
            refused, pings = count_refused(each)
            if refused and each not in said:
                path = each.scenario.bystander.path
                failing.setdefault(path, []).append((each.name, refused, pings))
        return tuple(cls(path=path, failing=tuple(each)) for path, each in failing.items())

    @property
    def message(self) -> str:
        some = [f"{failures:,} of {pings:,} in {name}" for name, failures, pings in self.failing]
        return f"Background requests to {self.path} fail: {name_some(some)}."
