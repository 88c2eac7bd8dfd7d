"""Scenarios that were not compared, or only as bounds, and why."""

from collections.abc import Mapping, Sequence

from analysis.answers.base import Statement
from analysis.answers.factors import MOST_NAMED, join_words, list_rates, name_some
from analysis.answers.measured_scenario import (
    CLEAR_RATIO,
    Family,
    MeasuredScenario,
    Served,
    serve_alike,
    serves_more,
)
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.predicates import are_alike
from analysis.verdicts.base import list_verdicts

WORDS: Mapping[str, str] = {each.code: each.doubt for each in list_verdicts() if each.doubt}
ENOUGH_TRIALS = 5
"""A 95 % interval needs at least 4 trials of each."""


class NotCompared(Statement):
    """Scenarios whose figures are not those of the service."""

    rank = 85

    groups: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """Names with the same doubts; no doubts where no trial ran to its end."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = group_by_doubts([each for each in results.cases if not each.is_usable])
        found = [(tuple(each.name for each in those), doubts) for doubts, those in groups.items()]
        if results.missing:
            found.append((results.missing, ()))
        return (cls(groups=tuple(found)),) if found else ()

    @property
    def message(self) -> str:
        clauses = (
            f"{name_some(names)} {'is' if len(names) == 1 else 'are'} not compared: "
            f"{describe_doubts(doubts) if doubts else 'no trial ran to its end'}"
            for names, doubts in self.groups
        )
        return "; ".join(clauses) + "."


class LowerBound(Statement):
    """Scenarios whose throughput is a lower bound: something else may have cost throughput."""

    rank = 90

    groups: tuple[tuple[tuple[Served, ...], tuple[str, ...]], ...]
    """Throughputs with the same doubts."""
    leaves_best_open: bool = False
    arrivals: tuple[tuple[str, ...], ...] = ()
    """Rates of each group of steps in a capacity search."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        bounds = [each for each in results.cases if each.is_usable and not each.is_comparable]
        groups = group_by_doubts(bounds)
        bounded = (
            (tuple(each.served for each in those), doubts) for doubts, those in groups.items()
        )
        is_open = any(
            len(each.cases) > 1 and not each.best.is_comparable and not each.has_clear_best
            for each in results.families
        )
        arrivals = (list_arrivals(each) for each in groups.values()) if results.knee else ()
        found = cls(groups=tuple(bounded), leaves_best_open=is_open, arrivals=tuple(arrivals))
        return (found,) if groups else ()

    @property
    def message(self) -> str:
        if not self.arrivals:
            bounds = "; ".join(describe_bound(*each) for each in self.groups)
            end = ". So this run does not show which has the highest throughput."
            return bounds + (end if self.leaves_best_open else ".")
        clauses = (
            f"at {name_some(rates)} requests/s, {describe_doubts(doubts)}"
            for rates, (_, doubts) in zip(self.arrivals, self.groups, strict=True)
        )
        return f"The service may sustain more: {'; '.join(clauses)}."


def list_arrivals(steps: Sequence[MeasuredScenario]) -> tuple[str, ...]:
    """List the rates of the steps of a search."""
    rates = sorted(each.scenario.load.arrival_rate or 0.0 for each in steps)
    return tuple(dict.fromkeys(map(formats.short_number, rates)))


def describe_bound(served: Sequence[Served], doubts: tuple[str, ...]) -> str:
    rates = [formats.short_number(each.rps) for each in served]
    than = f"{join_words(rates)} requests/s" if len(rates) <= MOST_NAMED else "they did"
    names = name_some([each.name for each in served])
    return f"{names} may serve more than {than}: {describe_doubts(doubts)}"


class Undecided(Statement):
    """Scenarios whose throughputs differ by no more than two runs of the same thing may."""

    rank = 80

    served: tuple[Served, ...]
    """The best one last."""
    trials: int
    wild: tuple[str, ...]
    """Scenarios whose trials lie far apart."""
    between: tuple[float, float]

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(each) for each in results.families)
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, family: Family) -> Statement | None:
        """Consider only throughputs as measured; None where every request fails."""
        known = [each for each in family.cases if each.is_comparable and each.rate]
        best = max(known, key=lambda each: each.rate, default=family.best)
        others = [each for each in known if each is not best and each.is_clean]
        found = [
            each for each in others if not serve_alike(each, best) and not is_slower(each, family)
        ]
        if not found:
            return None
        found.append(best)
        wild = [each for each in found if is_wild(each.rates)]
        together = [rate for each in found for rate in each.rates]
        if (
            not wild
            and is_wild(together)
            and all(are_alike(each.rate, best.rate) for each in found)
        ):
            wild = found
        rates = [rate for each in wild for rate in each.rates]
        return cls(
            served=tuple(each.served for each in found),
            trials=min(len(each.rates) for each in found),
            wild=tuple(each.name for each in wild),
            between=(min(rates, default=0.0), max(rates, default=0.0)),
        )

    @property
    def message(self) -> str:
        names = join_words([each.name for each in self.served])
        found = f"{names} serve {list_rates(self.served)} requests/s"
        if self.wild:
            low, high = map(formats.short_number, self.between)
            return (
                f"{found}: this difference is undecided, because the trials of "
                f"{join_words(self.wild)} range from {low} to {high}."
            )
        trials = "one trial is" if self.trials == 1 else f"{self.trials} trials are"
        more = f" (--trials {ENOUGH_TRIALS})" if self.trials < ENOUGH_TRIALS else ""
        return f"{found}: {trials} not enough to show a difference{more}."


def is_wild(rates: Sequence[float]) -> bool:
    """Return True if trials differ by more than two runs of the same thing do."""
    return max(rates) > CLEAR_RATIO * min(rates)


def is_slower(case: MeasuredScenario, family: Family) -> bool:
    return any(serves_more(each, case) for each in family.cases)


def group_by_doubts(cases: list[MeasuredScenario]) -> dict[tuple[str, ...], list[MeasuredScenario]]:
    found: dict[tuple[str, ...], list[MeasuredScenario]] = {}
    for each in cases:
        found.setdefault(each.doubts, []).append(each)
    return found


def describe_doubts(doubts: tuple[str, ...]) -> str:
    return join_words([f"{WORDS[code]} ({code})" if code in WORDS else code for code in doubts])
