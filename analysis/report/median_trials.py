"""What stands for a scenario with several trials: the median one, and medians over all."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from statistics import median_low

from analysis.answers.measured_scenario import DESCRIBING, list_errors
from analysis.answers.results import collect_results
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary
from analysis.summary.trials import take_medians
from records.rundir import CellDir, RunDir
from scenarios.model import Scenario

Pair = tuple[CellSummary, Scenario]


def select_median_cells(run: RunDir, summary: RunSummary) -> list[tuple[CellDir, CellSummary]]:
    """Select each scenario's trial with the median throughput."""
    by_scenario = groupby(summary.cells, attrgetter("scenario"))
    chosen = [select_median_trial(list(trials)) for _, trials in by_scenario]
    return [(run.open_cell(f"{each.scenario}.{each.trial}"), each) for each in chosen]


def select_median_trial(trials: Sequence[CellSummary]) -> CellSummary:
    """Select among the trials with the fewest errors that make their figures doubtful."""
    doubts = [len(list_errors(each) - DESCRIBING) + bool(each.interrupted) for each in trials]
    trials = [each for each, count in zip(trials, doubts, strict=True) if count == min(doubts)]
    middle = median_low([each.ok_rps or 0.0 for each in trials])
    return next(each for each in trials if (each.ok_rps or 0.0) == middle)


def list_compared(cells: Sequence[Pair], summary: RunSummary) -> list[Pair]:
    """Give each scenario the figures that the answer names: medians over the usable trials."""
    trials = {each.name: each.usable_trials for each in collect_results(summary).cases}
    found = ((cell, scenario, trials.get(cell.scenario, ())) for cell, scenario in cells)
    return [
        (take_medians(cell, own) if len(own) > 1 else cell, scenario)
        for cell, scenario, own in found
    ]
