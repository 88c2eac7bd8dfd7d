"""The effect of settings on throughput where no full resource explains the difference."""

from analysis.answers.base import Statement
from analysis.answers.factors import join_words
from analysis.answers.measured_scenario import Served
from analysis.answers.results import Results
from analysis.answers.slower import Slower
from analysis.stats import formats

MOST_NAMED = 3
"""Maximum of differences that a sentence names."""
MUCH = 2.0
"""Ratio of CPU per request: sharing cores with other work adds less."""


class OneSetting(Statement):
    """Two scenarios that differ in one setting, which therefore makes the difference."""

    rank = 50

    served: Served
    value: str
    reference: Served
    reference_value: str
    ratio: float | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = results.select_caused("one setting")
        return tuple(cls.build(each) for group in groups for each in group)

    @classmethod
    def build(cls, slower: Slower) -> Statement:
        (setting,) = slower.differences
        return cls(
            served=slower.case.served,
            value=setting.describe(slower.case.scenario),
            reference=slower.reference.served,
            reference_value=setting.describe(slower.reference.scenario),
            ratio=slower.ratio,
        )

    @property
    def message(self) -> str:
        least = "at least " if self.reference.is_bound else ""
        ratio = "" if self.ratio is None else formats.short_ratio(self.ratio)
        times = f", {least}{ratio} times as many" if ratio else ""
        return (
            f"With {self.value}, {self.served.name} serves {self.served} requests/s; with "
            f"{self.reference_value}, {self.reference.name} serves {self.reference}{times}."
        )


class SeveralSettings(Statement):
    """Two scenarios that differ in several settings: which setting matters is unknown."""

    rank = 60

    served: Served
    reference: Served
    differences: tuple[str, ...]
    cpu_ms: tuple[float, float] | None
    """CPU per request of both, where the first one takes much more."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = results.select_caused("several settings")
        return tuple(cls.build(each) for group in groups for each in group if each.differences)

    @classmethod
    def build(cls, slower: Slower) -> Statement:
        return cls(
            served=slower.case.served,
            reference=slower.reference.served,
            differences=tuple(each.name for each in slower.differences),
            cpu_ms=compare_cpu(slower),
        )

    @property
    def message(self) -> str:
        named = list(self.differences[:MOST_NAMED])
        if len(self.differences) > MOST_NAMED:
            named.append(formats.count_things(len(self.differences) - MOST_NAMED, "other setting"))
        return (
            f"{self.served.name} serves {self.served} requests/s and {self.reference.name} "
            f"{self.reference}; they differ in {join_words(named)}{self.describe_cpu()}."
        )

    def describe_cpu(self) -> str:
        if self.cpu_ms is None:
            return ""
        more, less = map(formats.milliseconds, self.cpu_ms)
        return f", and CPU per request is {more} ms instead of {less} ms"


def compare_cpu(slower: Slower) -> tuple[float, float] | None:
    more, less = (each.get_median("cpu_ms_per_request") for each in (slower.case, slower.reference))
    return None if more is None or less is None or more < MUCH * less else (more, less)
