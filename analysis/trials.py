"""What several trials of a scenario say together. The trial is the unit: its requests share one
server, one warm-up and one moment of the machine, so that thousands of them are one witness."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import wrap

from analysis import formats
from analysis.intervals import MedianInterval, median_interval
from analysis.summary import CellSummary
from analysis.tables import escaped, starved, table_row

FIGURES = (
    "ok_rps", "rps", "failures", "failure_ratio", "unfinished", "mean_ms", "median_ms",
    "ok_median_ms", "p95_ms", "p99_ms", "max_ms", "threads_spawned", "threads_active_mean",
    "loop_lag_p99_ms", "cpu_percent_peak", "rss_mib_peak", "bystander.median_ms",
    "bystander.p99_ms",
)  # fmt: skip
WIDTH = 80


@dataclass(frozen=True, slots=True)
class ScenarioSummary:
    """`figures` by the names of summary.json, dotted where nested; one that no trial measured is
    absent. `starved_trials` had requests that were never answered: their latencies are too low.
    `errors`: how many trials carry each verdict that is an error."""

    scenario: str
    trials: int
    figures: Mapping[str, MedianInterval]
    starved_trials: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    figure: str
    heading: str
    width: int
    text: Callable[[float | None], str]


SHOWN = (
    Shown("ok_rps", "ok rps", 28, formats.rate),
    Shown("median_ms", "median ms", 26, formats.milliseconds),
    Shown("p99_ms", "p99 ms", 26, formats.milliseconds),
)
"""Room for 99,999.9 rps and 999,999 ms, three times over, in a terminal of 80 columns."""
HEADING = "median [low–high]"


def measured(cell: CellSummary, figure: str) -> float | None:
    """A figure by its name in summary.json (`bystander.p99_ms`), None where it is unknown.
    Raises AttributeError where no cell has such a figure."""
    value: object = cell
    for part in figure.split("."):
        if value is None:
            return None
        value = getattr(value, part)
    return float(value) if isinstance(value, int | float) else None


def completed_by_scenario(cells: Sequence[CellSummary]) -> dict[str, list[CellSummary]]:
    """In order of first appearance. An interrupted trial has another window: it is no trial."""
    found: dict[str, list[CellSummary]] = {}
    for cell in cells:
        if cell.interrupted is None:
            found.setdefault(cell.scenario, []).append(cell)
    return found


def measured_values(cells: Sequence[CellSummary], figure: str) -> list[float]:
    values = (measured(cell, figure) for cell in cells)
    return [value for value in values if value is not None]


def over_trials(cells: Sequence[CellSummary]) -> tuple[ScenarioSummary, ...]:
    return tuple(
        ScenarioSummary(
            scenario=scenario,
            trials=len(trials),
            figures=intervals_of(trials),
            starved_trials=sum(starved(cell) for cell in trials),
            errors=grave(trials),
        )
        for scenario, trials in completed_by_scenario(cells).items()
    )


def grave(trials: Sequence[CellSummary]) -> dict[str, int]:
    """How many of the trials carry each verdict that is an error."""
    return dict(
        Counter(
            verdict.code
            for cell in trials
            for verdict in cell.verdicts
            if verdict.severity == "error"
        )
    )


def intervals_of(trials: Sequence[CellSummary]) -> dict[str, MedianInterval]:
    found = {figure: median_interval(measured_values(trials, figure)) for figure in FIGURES}
    return {figure: interval for figure, interval in found.items() if interval is not None}


def trial_lines(summaries: Sequence[ScenarioSummary]) -> list[str]:
    """The table under the rows of the cells; empty where no scenario ran more than once."""
    repeated = [each for each in summaries if each.trials > 1]
    if not repeated:
        return []
    headings = "".join(f"{shown.heading:>{shown.width}}" for shown in SHOWN)
    lines = [HEADING + headings[len(HEADING) :]]
    for summary in repeated:
        lines.append(f"{summary.scenario}, {summary.trials} trials")
        lines.append("".join(f"{text(summary, shown):>{shown.width}}" for shown in SHOWN))
    for remark in remarks(repeated):
        lines += wrap(remark, WIDTH, subsequent_indent="  ")
    return lines


def trial_markdown(summaries: Sequence[ScenarioSummary]) -> str:
    """The same for summary.md; empty where no scenario ran more than once."""
    repeated = [each for each in summaries if each.trials > 1]
    if not repeated:
        return ""
    lines = [f"Over the trials, {escaped(HEADING)}:", ""]
    lines.append(table_row(["scenario", "trials", *(shown.heading for shown in SHOWN)]))
    lines.append(table_row(["---", "---:", *("---:" for _ in SHOWN)]))
    for summary in repeated:
        figures = [text(summary, shown) for shown in SHOWN]
        lines.append(table_row([summary.scenario, formats.whole(summary.trials), *figures]))
    lines += ["", *(f"- {escaped(remark)}" for remark in remarks(repeated))]
    return "\n".join(lines) + "\n"


def text(summary: ScenarioSummary, shown: Shown) -> str:
    interval = summary.figures.get(shown.figure)
    if interval is None:
        return formats.UNKNOWN
    middle = shown.text(interval.median)
    if interval.low is None:
        return middle
    return f"{middle} [{shown.text(interval.low)}–{shown.text(interval.high)}]"


def remarks(summaries: Sequence[ScenarioSummary]) -> list[str]:
    """What the intervals are, once for each number of trials, and where not to trust a median."""
    by_trials = {
        interval.trials: interval
        for summary in summaries
        for shown in SHOWN
        if (interval := summary.figures.get(shown.figure)) is not None
    }
    told = [interval.why_none or coverage_remark(interval) for interval in by_trials.values()]
    told += [
        f"{each.scenario}: in {each.starved_trials} of {each.trials} trials requests stayed "
        "unanswered; they are missing from the median and the p99"
        for each in summaries
        if each.starved_trials
    ]
    told += [
        f"{each.scenario}: {count} of {each.trials} trials say {code}: see there before you "
        "believe these"
        for each in summaries
        for code, count in each.errors.items()
    ]
    return told


def coverage_remark(interval: MedianInterval) -> str:
    covered = formats.percent(interval.coverage)
    return f"[low–high] of {interval.trials} trials: exact order statistics, coverage {covered}"


def as_json(summary: ScenarioSummary) -> dict[str, object]:
    """An entry of "scenarios" in summary.json."""
    return {
        "scenario": summary.scenario,
        "trials": summary.trials,
        "starved_trials": summary.starved_trials,
        "errors": dict(summary.errors),
        "figures": {name: asdict(interval) for name, interval in summary.figures.items()},
    }
