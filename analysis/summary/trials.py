"""Summary of a scenario's trials. The trial is the unit: its requests share one server, one warm-up
and one moment of the machine, so that thousands of them are one observation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from analysis.metrics import get_value, list_metrics
from analysis.stats.intervals import MedianInterval, compute_median_interval
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users


@dataclass(frozen=True, slots=True)
class ScenarioSummary:
    """`figures`: by the names of summary.json, dotted where nested, without those that no trial
    measured. `starved_trials`: trials with unanswered requests, whose latencies are too low.
    `errors`: number of trials for each verdict that is an error."""

    scenario: str
    trials: int
    starved_trials: int
    errors: Mapping[str, int]
    figures: Mapping[str, MedianInterval]


def group_completed_trials(cells: Sequence[CellSummary]) -> dict[str, list[CellSummary]]:
    """Group by scenario, in order of first appearance, without interrupted trials."""
    found: dict[str, list[CellSummary]] = {}
    for cell in cells:
        if cell.interrupted is None:
            found.setdefault(cell.scenario, []).append(cell)
    return found


def collect_values(cells: Sequence[CellSummary], key: str) -> list[float]:
    values = (get_value(cell, key) for cell in cells)
    return [value for value in values if value is not None]


def take_medians(cell: CellSummary, trials: Sequence[CellSummary]) -> CellSummary:
    """Replace the cell's throughput, latencies and failures by the medians over the trials."""
    known = [collect_values(trials, key) for key in ("ok_rps", "median_ms", "p99_ms")]
    known.append(collect_values(trials, "failure_ratio"))
    ok_rps, median_ms, p99_ms, failures = (median(each) if each else None for each in known)
    return replace(cell, ok_rps=ok_rps, median_ms=median_ms, p99_ms=p99_ms, failure_ratio=failures)


def summarize_trials(cells: Sequence[CellSummary]) -> tuple[ScenarioSummary, ...]:
    keys = [each.key for each in list_metrics("intervals")]
    return tuple(
        ScenarioSummary(
            scenario=scenario,
            trials=len(trials),
            figures={
                key: found
                for key in keys
                if (found := compute_median_interval(collect_values(trials, key))) is not None
            },
            starved_trials=sum(has_starved_users(cell) for cell in trials),
            errors=count_error_verdicts(trials),
        )
        for scenario, trials in group_completed_trials(cells).items()
    )


def count_error_verdicts(trials: Sequence[CellSummary]) -> dict[str, int]:
    """Count the trials with each verdict that is an error."""
    found = (each for cell in trials for each in cell.verdicts)
    return dict(Counter(each.code for each in found if each.severity == "error"))
