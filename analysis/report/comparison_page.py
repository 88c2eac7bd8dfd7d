"""Two runs side by side: ratios with their intervals, and all quantiles of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis.measures.window import find_window
from analysis.report import charts
from analysis.report.charts import CaptionedChart, Chart
from analysis.report.comparison_table import build_scenario_table, write_comparison_remarks
from analysis.report.conditions import Conditions, collect_conditions
from analysis.report.drawing import RenderedChart, render_chart
from analysis.report.latency_shape import ANSWERED, compute_distribution
from analysis.report.page import select_median_cells
from analysis.report.table import Table
from analysis.report.templating import create_html_environment
from analysis.summary.comparison import Comparison, ScenarioComparison
from analysis.summary.run import RunSummary
from records.rundir import RunDir

NARROWEST, WIDEST = 0.5, 2.0
"""The axis of ratios shows at least so much, or a difference of 1 % would fill it."""


@dataclass(frozen=True, slots=True)
class ComparisonRun:
    """A run: its letter, its records, and what it came to."""

    letter: str
    run: RunDir
    summary: RunSummary


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    scenario: ScenarioComparison
    table: Table
    ratios: RenderedChart | None
    quantiles: RenderedChart | None


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    html: str
    pictures: tuple[RenderedChart, ...]


def render_comparison(
    a: ComparisonRun, b: ComparisonRun, comparison: Comparison, unlike: Sequence[str]
) -> ComparisonPage:
    """Raises UserError for a record that is missing or damaged."""
    both = {**load_quantiles(a), **load_quantiles(b)}
    found = [
        ComparisonSection(
            scenario=each,
            table=build_scenario_table(each),
            ratios=render_ratios_chart(each),
            quantiles=render_run_quantiles(each.scenario, both),
        )
        for each in comparison.scenarios
    ]
    html = (
        create_html_environment()
        .get_template("compare.html")
        .render(
            a=a,
            b=b,
            settings={"A": collect_run_conditions(a), "B": collect_run_conditions(b)},
            compared=found,
            remarks=write_comparison_remarks(comparison),
            unlike=unlike,
        )
    )
    drawn_ones = (each for one in found for each in (one.ratios, one.quantiles))
    return ComparisonPage(html, tuple(each for each in drawn_ones if each is not None))


def collect_run_conditions(side: ComparisonRun) -> Conditions:
    return collect_conditions(side.run.load_manifest())


def load_quantiles(side: ComparisonRun) -> dict[tuple[str, str], pl.DataFrame]:
    """By letter and scenario, of the trial whose throughput is the median."""
    found: dict[tuple[str, str], pl.DataFrame] = {}
    for cell, summary in select_median_cells(side.run, side.summary):
        record = cell.load_record()
        window = find_window(record, cell)
        if window.length_s:
            found[side.letter, summary.scenario] = compute_distribution(
                record, cell, window
            ).quantiles
    return found


def render_ratios_chart(compared: ScenarioComparison) -> RenderedChart | None:
    rows = [
        {
            "figure": each.figure,
            "ratio": each.ratio.ratio,
            "low": each.ratio.low,
            "high": each.ratio.high,
        }
        for each in compared.figures
        if each.ratio.ratio is not None
    ]
    if not rows:
        return None
    known = pl.DataFrame(
        rows,
        schema={"figure": pl.String, "ratio": pl.Float64, "low": pl.Float64, "high": pl.Float64},
    )
    return render_chart(
        CaptionedChart(
            f"{compared.scenario}-ratios",
            f"{compared.scenario}: B over A",
            f"The ratio B over A of each figure of {compared.scenario}, with its interval.",
            draw_ratios(known),
        )
    )


def draw_ratios(known: pl.DataFrame) -> Chart:
    values = [each for column in ("ratio", "low", "high") for each in known[column].drop_nulls()]
    ratios = alt.X("ratio:Q", title="B / A").scale(
        type="log", domain=[min(NARROWEST, *values), max(WIDEST, *values)], nice=False
    )
    figures = alt.Y("figure:N", title=None).sort(None)
    intervals = (
        alt.Chart(known.drop_nulls())
        .mark_rule(strokeWidth=3, color=charts.SKY)
        .encode(x=alt.X("low:Q", title="B / A"), x2="high:Q", y=figures)
    )
    points = (
        alt.Chart(known).mark_point(filled=True, size=60, color=charts.BLUE, opacity=1)
    ).encode(x=ratios, y=figures)
    same = (
        alt.Chart(pl.DataFrame({"ratio": [1.0]}))
        .mark_rule(strokeDash=[4, 4], color=charts.ORANGE)
        .encode(x="ratio:Q")
    )
    return alt.layer(same, intervals, points).properties(width=charts.WIDTH)


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
        CaptionedChart(
            f"{scenario}-quantiles",
            f"{scenario}: how long it took in both",
            f"All quantiles of the latency of {scenario} in A and in B.",
            charts.draw_run_quantiles(rows),
        )
    )
