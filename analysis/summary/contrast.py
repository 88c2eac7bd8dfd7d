"""Contrasts: scenarios that answer one question, each compared with the first of them.

They compare trials, never the requests within one. Ratios of throughput and latency are normalized
so that more than 1 is better, as in published tables of this kind; ratios of memory and CPU are
plain: 2 is twice as much.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from analysis.metrics import Metric, list_metrics
from analysis.stats.intervals import NoRatio, RatioInterval, compute_ratio_interval
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_many_failures
from analysis.summary.trials import collect_values, count_error_verdicts, group_completed_trials

CATEGORIES = (
    (2.0, "more than twice"),
    (1.5, "1.5 to 2 times"),
    (1.1, "up to 1.5 times"),
    (1 / 1.1, "alike"),
    (1 / 1.5, "down to 1/1.5"),
    (0.5, "1/1.5 to 1/2"),
    (0.0, "less than half"),
)
"""The published bounds (1.1, 1.5, 2) in both directions: the base may be the faster one."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A scenario's role in a contrast: its question, and the contender that it stands for."""

    subject: str
    contender: str
    scenario: str


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """`figures`: medians over the trials, absent where unknown. `ratios`: to the base, empty for
    the base. `doubts`: verdicts that are errors, with their number of trials."""

    contender: str
    scenario: str
    trials: int
    figures: Mapping[str, float]
    ratios: Mapping[str, RatioInterval]
    category: str | None
    doubts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Contrast:
    """The first result is the base."""

    subject: str
    results: tuple[ContrastResult, ...]

    @property
    def base(self) -> ContrastResult:
        return self.results[0]


@dataclass(frozen=True, slots=True)
class OverallResult:
    """One contender over all subjects: geometric means, which do not depend on the choice of base
    (Fleming and Wallace, Communications of the ACM 29, 1986). wins: number of subjects on which it
    had the highest throughput."""

    contender: str
    subjects: int
    throughput_ratio: float | None
    latency_ratio: float | None
    wins: int
    category: str | None


def compute_contrasts(
    cells: Sequence[CellSummary], entrants: Sequence[Entrant]
) -> tuple[Contrast, ...]:
    """Compute a contrast for each subject with two or more entrants, in their order."""
    trials = group_completed_trials(cells)
    by_subject: dict[str, list[Entrant]] = {}
    for entrant in entrants:
        if entrant.subject and entrant.scenario in trials:
            by_subject.setdefault(entrant.subject, []).append(entrant)
    return tuple(
        Contrast(subject, tuple(compute_contrast_result(each, trials, those[0]) for each in those))
        for subject, those in by_subject.items()
        if len(those) > 1
    )


def compute_contrast_result(
    entrant: Entrant, trials: Mapping[str, Sequence[CellSummary]], base: Entrant
) -> ContrastResult:
    own, its = trials[entrant.scenario], trials[base.scenario]
    compared = () if entrant is base else list_metrics("recorded ratio", "ratio")
    ratios = {each.key: compute_metric_ratio(each, its, own) for each in compared}
    keys = [each.key for each in list_metrics("recorded contrast", "contrast", "ratio")]
    throughput = ratios.get("ok_rps")
    return ContrastResult(
        contender=entrant.contender,
        scenario=entrant.scenario,
        trials=len(own),
        figures={key: median(found) for key in keys if (found := collect_values(own, key))},
        ratios=ratios,
        category=classify_ratio(throughput.ratio) if throughput else None,
        doubts=count_error_verdicts(own),
    )


def compute_metric_ratio(
    metric: Metric, base: Sequence[CellSummary], other: Sequence[CellSummary]
) -> RatioInterval:
    """Compute a ratio; none for a latency with many failures, since refusals are quick."""
    ours, theirs = collect_values(other, metric.key), collect_values(base, metric.key)
    if not metric.is_latency:
        return compute_ratio_interval(theirs, ours)
    if any(has_many_failures(each) for each in (*base, *other)):
        return RatioInterval(why_none=NoRatio.MANY_FAILURES)
    return compute_ratio_interval(ours, theirs)


def classify_ratio(found: float | None) -> str | None:
    if found is None:
        return None
    return next(words for bound, words in CATEGORIES if found > bound or bound == 0.0)


def compute_overall(found: Sequence[Contrast]) -> tuple[OverallResult, ...]:
    """Compute the overall result of each contender that has every subject with the first base;
    empty for a single subject."""
    found = next(iter(group_by_base(found)), [])
    if len(found) < 2:
        return ()
    names = [each.contender for each in found[0].results]
    everywhere = [name for name in names if all(find_result(each, name) for each in found)]
    return tuple(compute_contender_overall(name, found) for name in everywhere)


def compares_all(found: Sequence[Contrast], scenarios: Collection[str]) -> bool:
    """Return True if there is an overall result, and every scenario is in a comparison."""
    compared = {each.scenario for one in found for each in one.results}
    return compared.issuperset(scenarios) and bool(compute_overall(found))


def group_by_base(found: Sequence[Contrast]) -> list[list[Contrast]]:
    """Group by base, since ratios to different bases have no mean."""
    groups: dict[str, list[Contrast]] = {}
    for each in found:
        groups.setdefault(each.base.contender, []).append(each)
    return list(groups.values())


def find_result(contrast: Contrast, contender: str) -> ContrastResult | None:
    return next((each for each in contrast.results if each.contender == contender), None)


def compute_contender_overall(contender: str, found: Sequence[Contrast]) -> OverallResult:
    results = [each for contrast in found if (each := find_result(contrast, contender)) is not None]
    throughput, latency = (
        compute_geometric_mean([each.ratios[key].ratio if each.ratios else 1.0 for each in results])
        for key in ("ok_rps", "mean_ms")
    )
    fastest = [max(each.results, key=get_rate) for each in found]
    return OverallResult(
        contender=contender,
        subjects=len(results),
        throughput_ratio=throughput,
        latency_ratio=latency,
        wins=sum(
            own.scenario == best.scenario and get_rate(own) > 0.0
            for own, best in zip(results, fastest, strict=True)
        ),
        category=classify_ratio(throughput),
    )


def get_rate(result: ContrastResult) -> float:
    return result.figures.get("ok_rps", 0.0)


def compute_geometric_mean(ratios: Sequence[float | None]) -> float | None:
    known = [each for each in ratios if each]
    if not known or len(known) < len(ratios):
        return None
    return math.exp(sum(map(math.log, known)) / len(known))
