"""The table over the trials of each scenario, with notes on its intervals and doubts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analysis.answers.measured_scenario import DESCRIBING
from analysis.metrics import Metric, list_metrics
from analysis.report.table import Column, Row, Table, build_column
from analysis.stats import formats
from analysis.stats.intervals import (
    MedianInterval,
    NoRatio,
    TooFewPairs,
    TooFewTrials,
    WhyNone,
    ZeroValues,
)
from analysis.summary.trials import ScenarioSummary

HEADING = "median [low–high]"
SERVICES_OWN = "describes the service itself, so the throughput is as measured"
RATE_ROOM, ROOM = 28, 25
"""Room for 99,999.9 rps and 999,999 ms with their intervals, in a terminal of 80 columns."""


def select_repeated(summaries: Sequence[ScenarioSummary]) -> list[ScenarioSummary]:
    return [each for each in summaries if each.trials > 1]


def build_trials_table(summaries: Sequence[ScenarioSummary]) -> Table:
    columns = (build_column(each, "trials") for each in list_metrics("trials"))
    return Table(
        (Column("scenario", is_text=True), Column("trials"), *columns),
        [Row(each.scenario, [each.trials, *format_intervals(each)]) for each in summaries],
        notes=list(write_trial_remarks(summaries)),
    )


def build_narrow_trials_table(summaries: Sequence[ScenarioSummary]) -> Table:
    """Build the terminal's table: a line for each scenario, and its figures on the line below."""
    columns = (
        build_column(each, "trials", RATE_ROOM if each.format is formats.rate else ROOM)
        for each in list_metrics("trials")
    )
    rows = [
        row
        for each in summaries
        for row in (Row(f"{each.scenario}, {each.trials} trials"), Row("", format_intervals(each)))
    ]
    notes = list(write_trial_remarks(summaries))
    return Table((Column(HEADING, is_text=True), *columns), rows, notes=notes)


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


def write_trial_remarks(summaries: Sequence[ScenarioSummary]) -> Iterator[str]:
    """Explain the intervals once for each number of trials, and name doubtful medians."""
    by_trials = {
        interval.trials: interval
        for summary in summaries
        for shown in list_metrics("trials")
        if (interval := summary.figures.get(shown.key)) is not None
    }
    for trials, each in by_trials.items():
        reason = each.why_none and explain_missing(each.why_none)
        yield reason or (
            f"[low–high] of {trials} trials: confidence interval from order statistics; it covers "
            f"the true median in {formats.percent(each.coverage)} of cases"
        )
    for summary in summaries:
        if summary.starved_trials:
            yield (
                f"{summary.scenario}: in {summary.starved_trials} of {summary.trials} trials "
                "users starved; their waits are missing from the median and the p99"
            )
    yield from describe_doubts((each.scenario, each.errors, each.trials) for each in summaries)
    if any(
        count < summary.trials and code not in DESCRIBING
        for summary in summaries
        for code, count in summary.errors.items()
    ):
        yield "this table includes all trials; the answer names the trials that it leaves out"


def describe_doubts(found: Iterable[tuple[str, Mapping[str, int], int]]) -> Iterator[str]:
    """Yield a sentence for each verdict code. `found`: the subject, the number of its trials with
    each code, and its number of trials."""
    names: dict[str, list[str]] = {}
    for name, codes, trials in found:
        for code, count in codes.items():
            share = "" if count == trials else f" ({count} of {trials} trials)"
            names.setdefault(code, []).append(f"{name}{share}")
    for code, each in names.items():
        what = SERVICES_OWN if code in DESCRIBING else "makes these figures doubtful"
        yield f"{code} {what}: {', '.join(each)}"


def explain_missing(why: WhyNone) -> str:
    match why:
        case TooFewTrials(1, _, needed):
            return f"1 trial: the spread between trials is unknown; {needed} are needed"
        case TooFewTrials(trials, covered, needed):
            return (
                f"{trials} trials: even their whole range covers the median in only "
                f"{formats.percent(covered)} of cases; {needed} are needed"
            )
        case TooFewPairs(base, other, by_chance, needed):
            return (
                f"{base} and {other} trials: chance alone would order them like this in "
                f"{formats.percent(by_chance)} of cases; {needed} of each are enough"
            )
        case ZeroValues(zeros, values):
            return f"{zeros} of {values} values are 0: a ratio needs values above 0"
        case NoRatio.NOTHING_MEASURED:
            return "nothing was measured on one side"
        case NoRatio.MANY_FAILURES:
            return "over 1 % of the requests failed"


def name_reasons(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build a dict for `dataclasses.asdict`, with reasons in words."""
    return {
        key: explain_missing(value) if isinstance(value, WhyNone) else value for key, value in pairs
    }
