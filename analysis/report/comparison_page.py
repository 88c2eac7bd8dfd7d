"""Two runs side by side: ratios with their intervals, and all quantiles of both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis.measures.window import find_window
from analysis.report import charts
from analysis.report.comparison_table import build_scenario_table, write_comparison_remarks
from analysis.report.conditions import collect_conditions
from analysis.report.drawing import (
    BLUE,
    ORANGE,
    SKY,
    WIDTH,
    Chart,
    RenderedChart,
    draw_uprights,
    render_chart,
)
from analysis.report.latency_shape import ANSWERED, compute_distribution
from analysis.report.page import select_median_cells
from analysis.report.table import Table
from analysis.report.templating import Page, render_page
from analysis.summary.comparison import Comparison, ScenarioComparison
from analysis.summary.run import RunSummary
from records.rundir import RunDir

NARROWEST, WIDEST = 0.5, 2.0
"""The axis of ratios shows at least so much, or a difference of 1 % would fill it."""
RATIO_SCHEMA = {"figure": pl.String()} | dict.fromkeys(("ratio", "low", "high"), pl.Float64())
Sides = Mapping[str, tuple[RunDir, RunSummary]]
"""A and B: the records of each, and what they came to."""


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    scenario: ScenarioComparison
    table: Table
    pictures: tuple[RenderedChart | None, ...]


def render_comparison(sides: Sides, comparison: Comparison, unlike: Sequence[str]) -> Page:
    """Raises UserError for a record that is missing or damaged."""
    both = dict(load_quantiles(sides))
    found = [
        ComparisonSection(
            each,
            build_scenario_table(each),
            (render_ratios_chart(each), render_run_quantiles(each.scenario, both)),
        )
        for each in comparison.scenarios
    ]
    manifests = {letter: run.load_manifest() for letter, (run, _) in sides.items()}
    context = {
        "sides": sides,
        "settings": {letter: collect_conditions(each) for letter, each in manifests.items()},
        "compared": found,
        "remarks": write_comparison_remarks(comparison),
        "unlike": unlike,
    }
    pictures = (each for one in found for each in one.pictures)
    return render_page("compare.html", pictures, context)


def load_quantiles(sides: Sides) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    """By letter and scenario, of the trial whose throughput is the median."""
    for letter, side in sides.items():
        for cell, summary in select_median_cells(*side):
            record = cell.load_record()
            window = find_window(record, cell)
            if window.length_s:
                found = compute_distribution(record, cell, window)
                yield (letter, summary.scenario), found.quantiles


def render_ratios_chart(compared: ScenarioComparison) -> RenderedChart | None:
    ratios = [
        (each.figure, each.ratio) for each in compared.figures if each.ratio.ratio is not None
    ]
    if not ratios:
        return None
    known = pl.DataFrame(
        [(figure, of.ratio, of.low, of.high) for figure, of in ratios], RATIO_SCHEMA, orient="row"
    )
    return render_chart(
        f"{compared.scenario}-ratios",
        f"{compared.scenario}: B over A",
        f"The ratio B over A of each figure of {compared.scenario}, with its interval.",
        draw_ratios(known),
    )


def draw_ratios(known: pl.DataFrame) -> Chart:
    values = [each for column in ("ratio", "low", "high") for each in known[column].drop_nulls()]
    ratios = alt.X("ratio:Q", title="B / A").scale(
        type="log", domain=[min(NARROWEST, *values), max(WIDEST, *values)], nice=False
    )
    figures = alt.Y("figure:N", title=None).sort(None)
    intervals = (
        alt.Chart(known.drop_nulls())
        .mark_rule(strokeWidth=3, color=SKY)
        .encode(x=alt.X("low:Q", title="B / A"), x2="high:Q", y=figures)
    )
    points = (alt.Chart(known).mark_point(filled=True, size=60, color=BLUE, opacity=1)).encode(
        x=ratios, y=figures
    )
    same = draw_uprights("ratio", [1.0]).mark_rule(strokeDash=[4, 4], color=ORANGE)
    return alt.layer(same, intervals, points).properties(width=WIDTH)


def render_run_quantiles(
    scenario: str, known: dict[tuple[str, str], pl.DataFrame]
) -> RenderedChart | None:
    frames = [
        known[letter, scenario]
        .filter(pl.col("series") == ANSWERED)
        .with_columns(run=pl.lit(letter))
        for letter in ("A", "B")
        if (letter, scenario) in known
    ]
    rows = pl.concat(frames) if frames else pl.DataFrame()
    if rows.is_empty():
        return None
    return render_chart(
        f"{scenario}-quantiles",
        f"{scenario}: how long it took in both",
        f"All quantiles of the latency of {scenario} in A and in B.",
        charts.draw_run_quantiles(rows),
    )
