"""The tables of a comparison: figure by figure, and how to read them."""

from collections.abc import Mapping
from dataclasses import asdict

from analysis.metrics import get_metric
from analysis.report.contrast_tables import format_ratio
from analysis.report.interval_words import explain_missing
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.stats.intervals import RatioInterval
from analysis.summary.comparison import (
    CONFIDENCE,
    Change,
    Comparison,
    FigureComparison,
    ScenarioComparison,
)

WORDS: Mapping[Change, str] = {
    "too few trials": "too few trials to tell",
    "higher": "B is higher",
    "lower": "B is lower",
}


def build_comparison_table(comparison: Comparison) -> Table:
    """For a terminal of 80 columns."""
    rows = []
    for each in comparison.scenarios:
        rows.append(Row(f"{each.scenario}, {each.trials_a} v {each.trials_b} trials"))
        rows += [
            Row(one.figure, [*format_medians(one), format_p(one), summarize_figure(one)], True)
            for one in each.figures
        ]
    columns = (
        Column("", is_text=True), Column("A"), Column("B"), Column("p"),
        Column("B / A [low–high]", is_text=True),
    )  # fmt: skip
    return Table(columns, rows, notes=write_comparison_remarks(comparison))


def build_scenario_table(scenario: ScenarioComparison) -> Table:
    """For the page: of one scenario, each part of a ratio in a column of its own."""
    rows = [
        Row(
            one.figure,
            [
                *format_medians(one),
                format_ratio(one.ratio.ratio),
                format_bounds(one.ratio),
                format_p(one),
                describe_change(one),
            ],
            key=one.figure,
        )
        for one in scenario.figures
    ]
    numbers = (Column(each) for each in ("A", "B", "B / A", "interval", "p"))
    columns = (Column("figure", is_text=True), *numbers, Column("what it says", is_text=True))
    return Table(columns, rows)


def format_medians(compared: FigureComparison) -> tuple[str, str]:
    """A median over trials may lie between two whole numbers."""
    text = get_metric(compared.figure).format
    if text is formats.whole:
        text = formats.decimal
    return text(compared.a), text(compared.b)


def format_p(compared: FigureComparison) -> str:
    return formats.p_value(compared.ratio.p, compared.ratio.p_is_exact)


def format_bounds(ratio: RatioInterval) -> str:
    if ratio.low is None or ratio.high is None:
        return ""
    return f"{formats.short_ratio(ratio.low)}–{formats.short_ratio(ratio.high)}"


def describe_change(compared: FigureComparison) -> str:
    ratio = compared.ratio.ratio
    if ratio is not None and compared.change in ("higher", "lower"):
        return f"B is {formats.short_ratio(ratio)} × A"
    return WORDS.get(compared.change, compared.change)


def summarize_figure(compared: FigureComparison) -> str:
    """What changed, and in brackets how sure that is."""
    found, ratio = describe_change(compared), compared.ratio
    if compared.change == "too few trials" and ratio.ratio is not None:
        found = f"{formats.short_ratio(ratio.ratio)}, {found}"
    bounds = format_bounds(ratio)
    return f"{found} [{bounds}]" if bounds else found


def write_comparison_remarks(comparison: Comparison) -> list[str]:
    figures = [each for scenario in comparison.scenarios for each in scenario.figures]
    unsure = [each.ratio for each in figures if each.change == "too few trials"]
    missing = dict.fromkeys(each.why_none for each in unsure if each.why_none)
    found = [explain_missing(each) for each in missing]
    if tested := [each for each in figures if each.ratio.coverage is not None]:
        share = formats.percent(CONFIDENCE)
        by_chance = formats.decimal((1 - CONFIDENCE) * len(tested))
        found.append(
            f"[low–high] holds the true ratio in {share} of cases or more (exact ranks); were "
            f"nothing different, up to {by_chance} of these {len(tested)} would leave out 1"
        )
    if any(each.ratio.p_is_exact is False for each in figures):
        found.append(
            "~p: approximate, for many trials or many ties (which count against a difference)"
        )
    found += [
        write_starvation_remark(each) for each in comparison.scenarios if count_starved_trials(each)
    ]
    if comparison.interrupted_a or comparison.interrupted_b:
        found.append(
            f"cut short and left out: {comparison.interrupted_a} cells of A, "
            f"{comparison.interrupted_b} of B"
        )
    found += [f"only in A: {', '.join(comparison.only_a)}"] if comparison.only_a else []
    found += [f"only in B: {', '.join(comparison.only_b)}"] if comparison.only_b else []
    return found


def count_starved_trials(compared: ScenarioComparison) -> int:
    return compared.starved_a + compared.starved_b


def write_starvation_remark(compared: ScenarioComparison) -> str:
    return (
        f"{compared.scenario}: requests stayed unanswered in {compared.starved_a} of "
        f"{compared.trials_a} trials of A and {compared.starved_b} of {compared.trials_b} of B; "
        "they are missing from its latencies"
    )


def export_comparison(comparison: Comparison) -> dict[str, object]:
    """For `--json`: with what it comes to in words."""
    content = asdict(comparison)
    for scenario, shown in zip(comparison.scenarios, content["scenarios"], strict=True):
        for compared, figure in zip(scenario.figures, shown["figures"], strict=True):
            del figure["change"]
            why = compared.ratio.why_none
            figure["ratio"]["why_none"] = why and explain_missing(why)
            figure["verdict"] = describe_change(compared)
    return content
