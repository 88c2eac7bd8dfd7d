"""The table over the trials of each scenario, and how far to trust it."""

from collections.abc import Sequence
from dataclasses import asdict

from analysis.metrics import Metric, list_metrics
from analysis.report.interval_words import explain_missing, name_reasons
from analysis.report.table import Column, Row, Table, build_column
from analysis.stats import formats
from analysis.stats.intervals import MedianInterval
from analysis.summary.trials import ScenarioSummary

HEADING = "median [low–high]"
RATE_ROOM, ROOM = 28, 25
"""For 99,999.9 rps and 999,999 ms, three times over, in a terminal of 80 columns."""


def select_repeated(summaries: Sequence[ScenarioSummary]) -> list[ScenarioSummary]:
    return [each for each in summaries if each.trials > 1]


def build_trials_table(summaries: Sequence[ScenarioSummary]) -> Table:
    columns = [build_column(each, "trials") for each in list_metrics("trials")]
    return Table(
        (Column("scenario", is_text=True), Column("trials"), *columns),
        [Row(each.scenario, [each.trials, *format_intervals(each)]) for each in summaries],
        notes=write_trial_remarks(summaries),
    )


def build_narrow_trials_table(summaries: Sequence[ScenarioSummary]) -> Table:
    """For a terminal: each scenario has a line of its own, and its figures all the room below."""
    columns = [
        build_column(each, "trials", RATE_ROOM if each.format is formats.rate else ROOM)
        for each in list_metrics("trials")
    ]
    rows = [
        row
        for each in summaries
        for row in (Row(f"{each.scenario}, {each.trials} trials"), Row("", format_intervals(each)))
    ]
    return Table(
        (Column(HEADING, is_text=True), *columns), rows, notes=write_trial_remarks(summaries)
    )


def format_intervals(summary: ScenarioSummary) -> list[str]:
    shown = list_metrics("trials")
    return [format_interval(summary.figures.get(each.key), each) for each in shown]


def format_interval(interval: MedianInterval | None, metric: Metric) -> str:
    if interval is None:
        return formats.UNKNOWN
    middle = metric.format(interval.median)
    if interval.low is None:
        return middle
    return f"{middle} [{metric.format(interval.low)}–{metric.format(interval.high)}]"


def write_trial_remarks(summaries: Sequence[ScenarioSummary]) -> list[str]:
    """What the intervals are, once for each number of trials, and where not to trust a median."""
    by_trials = {
        interval.trials: interval
        for summary in summaries
        for shown in list_metrics("trials")
        if (interval := summary.figures.get(shown.key)) is not None
    }
    remarks = [
        explain_missing(each.why_none) if each.why_none else write_coverage_remark(each)
        for each in by_trials.values()
    ]
    remarks += [
        f"{each.scenario}: in {each.starved_trials} of {each.trials} trials requests stayed "
        "unanswered; they are missing from the median and the p99"
        for each in summaries
        if each.starved_trials
    ]
    remarks += [
        f"{each.scenario}: {count} of {each.trials} trials say {code}: see there before you "
        "believe these"
        for each in summaries
        for code, count in each.errors.items()
    ]
    return remarks


def write_coverage_remark(interval: MedianInterval) -> str:
    covered = formats.percent(interval.coverage)
    return f"[low–high] of {interval.trials} trials: exact order statistics, coverage {covered}"


def export_scenario(summary: ScenarioSummary) -> dict[str, object]:
    """An entry of "scenarios" in summary.json."""
    return {
        "scenario": summary.scenario,
        "trials": summary.trials,
        "starved_trials": summary.starved_trials,
        "errors": dict(summary.errors),
        "figures": {
            name: asdict(interval, dict_factory=name_reasons)
            for name, interval in summary.figures.items()
        },
    }
