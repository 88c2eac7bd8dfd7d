"""Scenarios whose answers are failures."""

from analysis.answers.base import Statement
from analysis.answers.factors import name_some
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.predicates import FAILURES_LIMIT_RATIO


class FailingAnswers(Statement):
    rank = 57

    names: tuple[str, ...]
    ratios: tuple[float, ...]
    """Failures of all answers."""

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
            return f"{worst} of the answers of {self.names[0]} are failures."
        return (
            f"Answers of {name_some(self.names)} are failures: {worst} in {self.names[0]}, "
            f"{formats.percent(min(self.ratios))} in {self.names[-1]}."
        )
