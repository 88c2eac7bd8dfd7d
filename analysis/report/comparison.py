"""Two runs side by side: ratios with their intervals, and all quantiles of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis import formats
from analysis.compare import FIGURES, Comparison, FigureComparison, ScenarioComparison, remarks
from analysis.latencies import TIMES
from analysis.population import window_of
from analysis.report import pictures
from analysis.report.conditions import Conditions, conditions
from analysis.report.drawing import Drawn, drawn
from analysis.report.environment import templates
from analysis.report.latency_shape import ANSWERED, latency_shape
from analysis.report.page import shown_cells
from analysis.report.pictures import Chart, Picture
from analysis.run_summary import RunSummary
from records.rundir import RunDir

NARROWEST, WIDEST = 0.5, 2.0
"""The axis of ratios shows at least so much, or a difference of 1 % would fill it."""


@dataclass(frozen=True, slots=True)
class Side:
    """A run: its letter, its records, and what it came to."""

    letter: str
    run: RunDir
    summary: RunSummary


@dataclass(frozen=True, slots=True)
class Row:
    figure: str
    a: str
    b: str
    ratio: str
    interval: str
    p: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Compared:
    scenario: ScenarioComparison
    rows: tuple[Row, ...]
    ratios: Drawn | None
    quantiles: Drawn | None


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    html: str
    pictures: tuple[Drawn, ...]


def comparison_page(
    a: Side, b: Side, comparison: Comparison, unlike: Sequence[str]
) -> ComparisonPage:
    """Raises Problem for a record that is missing or damaged."""
    both = {**quantiles_of(a), **quantiles_of(b)}
    found = [
        Compared(
            scenario=each,
            rows=tuple(row_of(figure) for figure in each.figures),
            ratios=ratios_picture(each),
            quantiles=quantiles_picture(each.scenario, both),
        )
        for each in comparison.scenarios
    ]
    html = (
        templates()
        .get_template("compare.html")
        .render(
            a=a,
            b=b,
            settings={"A": settings_of(a), "B": settings_of(b)},
            compared=found,
            remarks=remarks(comparison),
            unlike=unlike,
        )
    )
    drawn_ones = (each for one in found for each in (one.ratios, one.quantiles))
    return ComparisonPage(html, tuple(each for each in drawn_ones if each is not None))


def settings_of(side: Side) -> Conditions:
    return conditions(side.run.manifest())


def row_of(compared: FigureComparison) -> Row:
    text, ratio = FIGURES[compared.figure], compared.ratio
    interval = ""
    if ratio.low is not None and ratio.high is not None:
        interval = f"{formats.times(ratio.low)}–{formats.times(ratio.high)}"
    return Row(
        figure=compared.figure,
        a=text(compared.a),
        b=text(compared.b),
        ratio=formats.UNKNOWN if ratio.ratio is None else formats.times(ratio.ratio),
        interval=interval,
        p=formats.chance(ratio.p, ratio.p_is_exact),
        verdict=compared.verdict,
    )


def quantiles_of(side: Side) -> dict[tuple[str, str], pl.DataFrame]:
    """By letter and scenario, of the trial whose throughput is the median."""
    found: dict[tuple[str, str], pl.DataFrame] = {}
    for cell, summary in shown_cells(side.run, side.summary):
        record = cell.record()
        window = window_of(record, cell.table("requests", (*TIMES, "status")))
        if window.length_s:
            found[side.letter, summary.scenario] = latency_shape(record, cell, window).quantiles
    return found


def ratios_picture(compared: ScenarioComparison) -> Drawn | None:
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
    return drawn(
        Picture(
            f"{compared.scenario}-ratios",
            f"{compared.scenario}: B over A",
            f"The ratio B over A of each figure of {compared.scenario}, with its interval.",
            ratios_chart(known),
        )
    )


def ratios_chart(known: pl.DataFrame) -> Chart:
    values = [each for column in ("ratio", "low", "high") for each in known[column].drop_nulls()]
    ratios = alt.X("ratio:Q", title="B / A").scale(
        type="log", domain=[min(NARROWEST, *values), max(WIDEST, *values)], nice=False
    )
    figures = alt.Y("figure:N", title=None).sort(None)
    intervals = (
        alt.Chart(known.drop_nulls())
        .mark_rule(strokeWidth=3, color=pictures.SKY)
        .encode(x=alt.X("low:Q", title="B / A"), x2="high:Q", y=figures)
    )
    points = (
        alt.Chart(known).mark_point(filled=True, size=60, color=pictures.BLUE, opacity=1)
    ).encode(x=ratios, y=figures)
    same = (
        alt.Chart(pl.DataFrame({"ratio": [1.0]}))
        .mark_rule(strokeDash=[4, 4], color=pictures.ORANGE)
        .encode(x="ratio:Q")
    )
    return alt.layer(same, intervals, points).properties(width=pictures.WIDTH)


def quantiles_picture(scenario: str, known: dict[tuple[str, str], pl.DataFrame]) -> Drawn | None:
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
    return drawn(
        Picture(
            f"{scenario}-quantiles",
            f"{scenario}: how long it took in both",
            f"All quantiles of the latency of {scenario} in A and in B.",
            pictures.two_runs_chart(rows),
        )
    )
