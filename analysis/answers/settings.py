"""What a setting makes of the throughput where no full resource explains the difference."""

from analysis.answers.base import Statement
from analysis.answers.factors import join_words
from analysis.answers.results import Results
from analysis.answers.slower import Slower, select_caused
from analysis.stats import formats

MOST_NAMED = 3
"""Differences that a sentence can name."""


class OneSetting(Statement):
    """Two scenarios that differ in one setting, which so makes the difference."""

    rank = 50

    name: str
    value: str
    rps: float
    reference: str
    reference_value: str
    reference_rps: float
    ratio: float | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = select_caused(results, "one setting")
        return tuple(cls.build(each) for group in groups for each in group)

    @classmethod
    def build(cls, slower: Slower) -> Statement:
        (setting,) = slower.differences
        return cls(
            name=slower.case.name,
            value=setting.describe(slower.case.scenario),
            rps=slower.case.rate,
            reference=slower.reference.name,
            reference_value=setting.describe(slower.reference.scenario),
            reference_rps=slower.reference.rate,
            ratio=slower.ratio,
        )

    @property
    def message(self) -> str:
        times = "" if self.ratio is None else f", {formats.short_ratio(self.ratio)} times as many"
        return (
            f"With {self.value}, {self.name} serves {formats.short_number(self.rps)} requests/s; "
            f"with {self.reference_value}, {self.reference} serves "
            f"{formats.short_number(self.reference_rps)}{times}."
        )


class SeveralSettings(Statement):
    """Scenarios that differ in several settings: which of them counts is not known."""

    rank = 60

    name: str
    rps: float
    reference: str
    reference_rps: float
    differences: tuple[str, ...]

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = select_caused(results, "several settings")
        return tuple(cls.build(each) for group in groups for each in group)

    @classmethod
    def build(cls, slower: Slower) -> Statement:
        return cls(
            name=slower.case.name,
            rps=slower.case.rate,
            reference=slower.reference.name,
            reference_rps=slower.reference.rate,
            differences=tuple(each.name for each in slower.differences),
        )

    @property
    def message(self) -> str:
        named = list(self.differences[:MOST_NAMED])
        if len(self.differences) > MOST_NAMED:
            named.append(f"{len(self.differences) - MOST_NAMED} other settings")
        return (
            f"{self.name} serves {formats.short_number(self.rps)} requests/s and {self.reference} "
            f"{formats.short_number(self.reference_rps)}; they differ in {join_words(named)}."
        )
