"""Comparison tables: of scenarios that answer the same question, and of two runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from analysis.metrics import get_metric, list_metrics
from analysis.report.table import Column, Row, Table, build_column
from analysis.report.trials_table import describe_doubts, explain_missing, name_reasons
from analysis.stats import formats
from analysis.stats.intervals import RatioInterval
from analysis.summary.comparison import (
    CONFIDENCE,
    Change,
    Comparison,
    FigureComparison,
    ScenarioComparison,
)
from analysis.summary.contrast import Contrast, OverallResult, compute_overall

NAME_ROOM, RATIO_ROOM = 16, 20
ALL, FIGURES_THAT_FIT, RATIOS_THAT_FIT = slice(None), slice(1, 8), slice(3)
"""Columns that fit the 80 characters of a terminal; Markdown and the page show all."""
WORDS: Mapping[Change, str] = {
    "too few trials": "too few trials to tell",
    "higher": "B is higher",
    "lower": "B is lower",
}


def build_contrast_tables(
    contrast: Contrast, *, narrow: bool, corner: str = ""
) -> tuple[Table, Table]:
    """Build the table of each contender's figures, and that of their ratios to the first contender.
    `corner`: name of the table of ratios, which has no title."""
    shown, room = (RATIOS_THAT_FIT, RATIO_ROOM) if narrow else (ALL, 0)
    ratios = build_ratios_table(contrast, corner, shown, room)
    return build_figures_table(contrast, FIGURES_THAT_FIT if narrow else ALL), ratios


def build_figures_table(contrast: Contrast, shown: slice) -> Table:
    metrics = list_metrics("contrast")
    columns = [Column("trials"), *(build_column(each, "contrast") for each in metrics)]
    rows = [
        Row(each.contender, [each.trials, *(each.figures.get(one.key) for one in metrics)][shown])
        for each in contrast.results
    ]
    title = f"{contrast.subject}, compared with {contrast.base.contender}"
    return Table((Column("", is_text=True, width=NAME_ROOM), *columns[shown]), rows, title)


def build_ratios_table(contrast: Contrast, corner: str, shown: slice, room: int) -> Table:
    """Build the ratios to the first contender. `room`: characters for each ratio."""
    metrics = list_metrics("ratio")
    columns = [
        Column(f"{each.get_heading('ratio')[0]} {'1/×' if each.is_latency else '×'}", width=room)
        for each in metrics
    ]
    columns.append(Column("rps", is_text=True))
    rows = []
    for each in contrast.results[1:]:
        ratios = [format_interval(each.ratios[one.key]) for one in metrics]
        rows.append(Row(each.contender, [*ratios, each.category or ""][shown]))
    names = Column(corner, is_text=True, width=NAME_ROOM)
    return Table((names, *columns[shown]), rows, notes=list(write_contrast_remarks(contrast)))


def build_overall_table(found: Sequence[OverallResult], title: str = "") -> Table:
    """Build the geometric means of the ratios. The base has no category."""
    rows = []
    for each in found:
        ratios = format_ratio(each.throughput_ratio), format_ratio(each.latency_ratio)
        category = "" if each is found[0] else each.category or ""
        rows.append(Row(each.contender, [*ratios, f"{each.wins} of {each.subjects}", category]))
    columns = (
        Column("", is_text=True, width=NAME_ROOM), Column("rps ×"), Column("mean 1/×"),
        Column("fastest on"), Column("", is_text=True),
    )  # fmt: skip
    return Table(columns, rows, title)


def format_ratio(ratio: float | None) -> str:
    return formats.UNKNOWN if ratio is None else formats.short_ratio(ratio)


def format_bounds(ratio: RatioInterval) -> str:
    if ratio.low is None or ratio.high is None:
        return ""
    return f"{formats.short_ratio(ratio.low)}–{formats.short_ratio(ratio.high)}"


def format_interval(found: RatioInterval) -> str:
    """`4.32 [4.10–4.60]`."""
    bounds = format_bounds(found)
    return format_ratio(found.ratio) + (f" [{bounds}]" if bounds else "")


def write_contrast_remarks(contrast: Contrast) -> Iterator[str]:
    """Yield why intervals are missing, which differences are not shown, and doubtful results."""
    compared = [(each.contender, each.ratios["ok_rps"]) for each in contrast.results[1:]]
    reasons = {explain_missing(ratio.why_none) for _, ratio in compared if ratio.why_none}
    yield from (f"no intervals: {reason}" for reason in sorted(reasons))
    undecided = [name for name, ratio in compared if ratio.low and ratio.other_is is None]
    if undecided:
        yield (
            f"no difference in rps from {contrast.base.contender} is shown for "
            f"{', '.join(undecided)}: the interval contains 1"
        )
    yield from describe_doubts(
        (each.contender, each.doubts, each.trials) for each in contrast.results
    )


def export_contrasts(found: Sequence[Contrast]) -> dict[str, object]:
    """Return the content of contrast.json; summary.json holds the same keys."""
    return {
        "contrasts": [asdict(each, dict_factory=name_reasons) for each in found],
        "overall": [asdict(each) for each in compute_overall(found)],
    }


def build_comparison_table(comparison: Comparison) -> Table:
    """Build the table for a terminal of 80 columns."""
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
    return Table(columns, rows, notes=list(write_comparison_remarks(comparison)))


def build_scenario_table(scenario: ScenarioComparison) -> Table:
    """Build the page's table of one scenario, with a column for each part of a ratio."""
    rows = []
    for one in scenario.figures:
        ratio = format_ratio(one.ratio.ratio), format_bounds(one.ratio), format_p(one)
        cells = [*format_medians(one), *ratio, describe_change(one)]
        rows.append(Row(one.figure, cells, key=one.figure))
    numbers = (Column(each) for each in ("A", "B", "B / A", "interval", "p"))
    columns = (Column("figure", is_text=True), *numbers, Column("result", is_text=True))
    return Table(columns, rows)


def format_medians(compared: FigureComparison) -> tuple[str, str]:
    """Format both medians. A median over trials may lie between two whole numbers."""
    text = get_metric(compared.figure).format
    if text is formats.whole:
        text = formats.decimal
    return text(compared.a), text(compared.b)


def format_p(compared: FigureComparison) -> str:
    return formats.p_value(compared.ratio.p, compared.ratio.p_is_exact)


def describe_change(compared: FigureComparison) -> str:
    ratio = compared.ratio.ratio
    if ratio is not None and compared.change in ("higher", "lower"):
        return f"B is {formats.short_ratio(ratio)} × A"
    return WORDS.get(compared.change, compared.change)


def summarize_figure(compared: FigureComparison) -> str:
    """Return the change, with its interval in brackets."""
    found, ratio = describe_change(compared), compared.ratio
    if compared.change == "too few trials" and ratio.ratio is not None:
        found = f"{formats.short_ratio(ratio.ratio)}, {found}"
    bounds = format_bounds(ratio)
    return f"{found} [{bounds}]" if bounds else found


def write_comparison_answer(comparison: Comparison) -> list[str]:
    """Answer whether B differs from A, with the differences that are shown in each scenario."""
    found = [
        f"{each.scenario}: {said}" for each in comparison.scenarios if (said := name_changes(each))
    ]
    if found:
        return ["B differs from A.", *found]
    if any(one.change == "too few trials" for each in comparison.scenarios for one in each.figures):
        return ["Too few trials to tell whether B differs from A."]
    return ["No figure shows a difference between A and B."]


def name_changes(scenario: ScenarioComparison) -> str:
    """Return an empty text if no change is shown."""
    changed = [each for each in scenario.figures if each.change in ("higher", "lower")]
    return ", ".join(f"B's {each.figure} is {compare_with_a(each)}" for each in changed)


def compare_with_a(compared: FigureComparison) -> str:
    """Return the ratio, or only the direction if one of the values is 0."""
    ratio = compared.ratio.ratio
    return compared.change if ratio is None else f"{formats.short_ratio(ratio)} × A's"


def write_comparison_remarks(comparison: Comparison) -> Iterator[str]:
    figures = [each for scenario in comparison.scenarios for each in scenario.figures]
    unsure = [each.ratio for each in figures if each.change == "too few trials"]
    missing = dict.fromkeys(each.why_none for each in unsure if each.why_none)
    yield from map(explain_missing, missing)
    if tested := [each for each in figures if each.ratio.coverage is not None]:
        by_chance = formats.decimal((1 - CONFIDENCE) * len(tested))
        yield (
            f"[low–high] contains the true ratio in at least {formats.percent(CONFIDENCE)} of "
            f"cases (exact ranks); if nothing differed, up to {by_chance} of these {len(tested)} "
            "intervals would exclude 1"
        )
    if any(each.ratio.p_is_exact is False for each in figures):
        yield "~p: approximate, because of many trials or ties (ties count against a difference)"
    yield from write_doubts(comparison)


def write_doubts(comparison: Comparison) -> Iterator[str]:
    """Yield what makes a side doubtful, and what has no other side."""
    for each in comparison.scenarios:
        if each.starved_a or each.starved_b:
            yield (
                f"{each.scenario}: users starved in {each.starved_a} of {each.trials_a} trials of "
                f"A and {each.starved_b} of {each.trials_b} of B; their waits are missing from its "
                "latencies"
            )
    yield from describe_doubts(
        (f"{each.scenario} in {side}", errors, trials)
        for each in comparison.scenarios
        for side, errors, trials in each.sides
    )
    cut_a, cut_b = comparison.interrupted_a, comparison.interrupted_b
    if cut_a or cut_b:
        yield f"cut short and left out: {cut_a} cells of A, {cut_b} of B"
    for letter, only in (("A", comparison.only_a), ("B", comparison.only_b)):
        if only:
            yield f"only in {letter}: {', '.join(only)}"


def export_comparison(comparison: Comparison) -> dict[str, object]:
    """Return the content for `--json`, with each verdict in words."""
    content = asdict(comparison)
    for scenario, shown in zip(comparison.scenarios, content["scenarios"], strict=True):
        for compared, figure in zip(scenario.figures, shown["figures"], strict=True):
            del figure["change"]
            why = compared.ratio.why_none
            figure["ratio"]["why_none"] = why and explain_missing(why)
            figure["verdict"] = describe_change(compared)
    return content
