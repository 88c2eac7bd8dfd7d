"""What was not compared, or not as measured, and why."""

from collections.abc import Mapping

from analysis.answers.base import Statement
from analysis.answers.factors import MOST_NAMED, join_words, list_rates, name_some
from analysis.answers.measured_scenario import (
    Family,
    MeasuredScenario,
    Served,
    serve_alike,
    serves_more,
)
from analysis.answers.results import Results
from analysis.stats import formats

WORDS: Mapping[str, str] = {
    "GENERATOR_SATURATED": "the load generator may have been the limit",
    "MACHINE_BUSY": "the machine was busy with other work",
    "CPU_THROTTLED": "a CPU quota stopped this container",
    "UPSTREAM_LATE": "the upstream answered late",
    "COUNTS_DISAGREE": "its requests were counted differently at their two ends",
    "CPU_THROTTLED": "a CPU quota stopped it",
    "DESCRIPTORS": "file descriptors ran out",
    "LOAD_PROCESS_DIED": "a load process died",
    "PROBE_STOPPED": "the probe stopped",
    "TOO_SHORT": "the window was too short",
}
ENOUGH_TRIALS = 5
"""From 4 trials of each on, an interval of 95 % is possible."""


class LowerBound(Statement):
    """Scenarios that serve at least so much: something else may have cost throughput."""

    rank = 85

    served: tuple[Served, ...]
    doubts: tuple[str, ...]

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        bounds = [each for each in results.cases if each.is_usable and not each.is_comparable]
        return tuple(
            cls(
                served=tuple(each.served for each in those),
                doubts=doubts,
            )
            for doubts, those in group_by_doubts(bounds).items()
        )

    @property
    def message(self) -> str:
        names, why = [each.name for each in self.served], describe_doubts(self.doubts)
        rates = [formats.short_number(each.rps) for each in self.served]
        than = f"{join_words(rates)} requests/s" if len(rates) <= MOST_NAMED else "they did"
        return f"{name_some(names)} may serve more than {than}: {why}."


class NotCompared(Statement):
    """Scenarios whose figures are not those of the service."""

    rank = 90

    names: tuple[str, ...]
    doubts: tuple[str, ...]

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        unusable = [each for each in results.cases if not each.is_usable]
        found = [
            cls(names=tuple(each.name for each in those), doubts=doubts)
            for doubts, those in group_by_doubts(unusable).items()
        ]
        return (*found, *([cls(names=results.missing, doubts=())] if results.missing else []))

    @property
    def message(self) -> str:
        verb = "is" if len(self.names) == 1 else "are"
        why = describe_doubts(self.doubts) if self.doubts else "no trial ran to its end"
        return f"{name_some(self.names)} {verb} not compared: {why}."


class Undecided(Statement):
    """Scenarios whose throughput differs by no more than two runs of the same thing may."""

    rank = 80

    served: tuple[Served, ...]
    """The best one last."""
    trials: int

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(each) for each in results.families)
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, family: Family) -> Statement | None:
        best = family.best
        open_cases = [
            each
            for each in family.cases
            if each.is_clean and not serve_alike(each, best) and not is_slower(each, family)
        ]
        if not open_cases:
            return None
        return cls(
            served=tuple(each.served for each in (*open_cases, best)),
            trials=min(len(each.rates) for each in (best, *open_cases)),
        )

    @property
    def message(self) -> str:
        trials = "one trial does" if self.trials == 1 else f"{self.trials} trials do"
        more = f" (--trials {ENOUGH_TRIALS})" if self.trials < ENOUGH_TRIALS else ""
        return (
            f"{join_words([each.name for each in self.served])} serve {list_rates(self.served)} "
            f"requests/s: {trials} not tell whether that is a difference{more}."
        )


def is_slower(case: MeasuredScenario, family: Family) -> bool:
    return any(serves_more(each, case) for each in family.cases)


def group_by_doubts(cases: list[MeasuredScenario]) -> dict[tuple[str, ...], list[MeasuredScenario]]:
    found: dict[tuple[str, ...], list[MeasuredScenario]] = {}
    for each in cases:
        found.setdefault(each.doubts, []).append(each)
    return found


def describe_doubts(doubts: tuple[str, ...]) -> str:
    return join_words([f"{WORDS[code]} ({code})" if code in WORDS else code for code in doubts])
