"""What several trials of a scenario say together. The trial is the unit: its requests share one
server, one warm-up and one moment of the machine, so that thousands of them are one witness."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import wrap

from analysis.report.render import escape_markdown
from analysis.report.render import join_markdown as join_markdown_cells
from analysis.stats import formats
from analysis.stats.intervals import MedianInterval, compute_median_interval
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users

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
class TrialColumn:
    figure: str
    heading: str
    width: int
    text: Callable[[float | None], str]


SHOWN = (
    TrialColumn("ok_rps", "ok rps", 28, formats.rate),
    TrialColumn("median_ms", "median ms", 26, formats.milliseconds),
    TrialColumn("p99_ms", "p99 ms", 26, formats.milliseconds),
)
"""Room for 99,999.9 rps and 999,999 ms, three times over, in a terminal of 80 columns."""
HEADING = "median [low–high]"


def get_figure(cell: CellSummary, figure: str) -> float | None:
    """A figure by its name in summary.json (`bystander.p99_ms`), None where it is unknown.
    Raises AttributeError where no cell has such a figure."""
    value: object = cell
    for part in figure.split("."):
        if value is None:
            return None
        value = getattr(value, part)
    return float(value) if isinstance(value, int | float) else None


def group_completed_trials(cells: Sequence[CellSummary]) -> dict[str, list[CellSummary]]:
    """In order of first appearance. An interrupted trial has another window: it is no trial."""
    found: dict[str, list[CellSummary]] = {}
    for cell in cells:
        if cell.interrupted is None:
            found.setdefault(cell.scenario, []).append(cell)
    return found


def collect_values(cells: Sequence[CellSummary], figure: str) -> list[float]:
    values = (get_figure(cell, figure) for cell in cells)
    return [value for value in values if value is not None]


def summarize_trials(cells: Sequence[CellSummary]) -> tuple[ScenarioSummary, ...]:
    return tuple(
        ScenarioSummary(
            scenario=scenario,
            trials=len(trials),
            figures=compute_intervals(trials),
            starved_trials=sum(has_starved_users(cell) for cell in trials),
            errors=count_error_verdicts(trials),
        )
        for scenario, trials in group_completed_trials(cells).items()
    )


def count_error_verdicts(trials: Sequence[CellSummary]) -> dict[str, int]:
    """How many of the trials carry each verdict that is an error."""
    return dict(
        Counter(
            verdict.code
            for cell in trials
            for verdict in cell.verdicts
            if verdict.severity == "error"
        )
    )


def compute_intervals(trials: Sequence[CellSummary]) -> dict[str, MedianInterval]:
    found = {figure: compute_median_interval(collect_values(trials, figure)) for figure in FIGURES}
    return {figure: interval for figure, interval in found.items() if interval is not None}


def render_trial_lines(summaries: Sequence[ScenarioSummary]) -> list[str]:
    """The table under the rows of the cells; empty where no scenario ran more than once."""
    repeated = [each for each in summaries if each.trials > 1]
    if not repeated:
        return []
    headings = "".join(f"{shown.heading:>{shown.width}}" for shown in SHOWN)
    lines = [HEADING + headings[len(HEADING) :]]
    for summary in repeated:
        lines.append(f"{summary.scenario}, {summary.trials} trials")
        lines.append(
            "".join(f"{format_interval(summary, shown):>{shown.width}}" for shown in SHOWN)
        )
    for remark in write_trial_remarks(repeated):
        lines += wrap(remark, WIDTH, subsequent_indent="  ")
    return lines


def render_trial_markdown(summaries: Sequence[ScenarioSummary]) -> str:
    """The same for summary.md; empty where no scenario ran more than once."""
    repeated = [each for each in summaries if each.trials > 1]
    if not repeated:
        return ""
    lines = [f"Over the trials, {escape_markdown(HEADING)}:", ""]
    lines.append(join_markdown_cells(["scenario", "trials", *(shown.heading for shown in SHOWN)]))
    lines.append(join_markdown_cells(["---", "---:", *("---:" for _ in SHOWN)]))
    for summary in repeated:
        figures = [format_interval(summary, shown) for shown in SHOWN]
        lines.append(
            join_markdown_cells([summary.scenario, formats.whole(summary.trials), *figures])
        )
    lines += ["", *(f"- {escape_markdown(remark)}" for remark in write_trial_remarks(repeated))]
    return "\n".join(lines) + "\n"


def format_interval(summary: ScenarioSummary, shown: TrialColumn) -> str:
    interval = summary.figures.get(shown.figure)
    if interval is None:
        return formats.UNKNOWN
    middle = shown.text(interval.median)
    if interval.low is None:
        return middle
    return f"{middle} [{shown.text(interval.low)}–{shown.text(interval.high)}]"


def write_trial_remarks(summaries: Sequence[ScenarioSummary]) -> list[str]:
    """What the intervals are, once for each number of trials, and where not to trust a median."""
    by_trials = {
        interval.trials: interval
        for summary in summaries
        for shown in SHOWN
        if (interval := summary.figures.get(shown.figure)) is not None
    }
    told = [interval.why_none or write_coverage_remark(interval) for interval in by_trials.values()]
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
        "figures": {name: asdict(interval) for name, interval in summary.figures.items()},
    }
