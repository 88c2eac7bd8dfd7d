"""The pictures of a run as a whole, of two, and of an exercise."""

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from analysis.report.charts import QUANTILES_HEIGHT, build_dashes, draw_quantile_lines
from analysis.report.drawing import (
    BLUE,
    ORANGE,
    PANEL_HEIGHT,
    SKY,
    WIDTH,
    Chart,
    RenderedChart,
    build_log_scale,
    build_name_colours,
    draw_uprights,
    render_chart,
)
from analysis.summary.comparison import ScenarioComparison
from analysis.summary.contrast import Contrast
from analysis.summary.sweep import Sweep

CONTRAST_WIDTH, CONTRAST_ROW_HEIGHT, BAR_HEIGHT = 300, 14, 22
SWEEP_PANELS = {
    "ok_rps": "good answers / s",
    "median_ms": "median, ms",
    "cpu_ms_per_request": "CPU per request, ms",
}
SWEPT = (*SWEEP_PANELS, "predicted.ok_rps")
NARROWEST, WIDEST = 0.5, 2.0
"""The axis of ratios shows at least so much, or a difference of 1 % would fill it."""


def build_frame(rows: Sequence[tuple[object, ...]], names: str, *figures: str) -> pl.DataFrame:
    """`names`: the columns that are text, separated by spaces."""
    schema = dict.fromkeys(names.split(), pl.String()) | dict.fromkeys(figures, pl.Float64())
    return pl.DataFrame(rows, schema, orient="row")


def render_contrast_chart(found: Sequence[Contrast]) -> RenderedChart | None:
    """None where nothing stands side by side."""
    if not found:
        return None
    rate = draw_contrast_points(found, "ok_rps", "good answers / s (logarithmic)")
    tail = draw_contrast_points(found, "p95_ms", "95 % took at most, ms (logarithmic)")
    return render_chart("contrast", alt.vconcat(rate, tail, spacing=18))


def draw_contrast_points(found: Sequence[Contrast], figure: str, title: str) -> alt.Chart:
    """Logarithmic, since what is compared is a ratio: equal ratios are equal lengths. Such an axis
    has no zero, so these are points on lines and no bars that would begin somewhere."""
    names = list(dict.fromkeys(each.contender for one in found for each in one.results))
    rows = [
        (one.subject, each.contender, each.figures[figure])
        for one in found
        for each in one.results
        if each.figures.get(figure)
    ]
    many = len(found) > 1
    height = CONTRAST_ROW_HEIGHT * len(found) * (len(names) + 2 * many)
    rows_axis = alt.Y("subject:N" if many else "contender:N", title=None, sort=None)
    mark = alt.MarkDef("point", filled=True, size=60, opacity=1)
    points = build_frame(rows, "subject contender", "value")
    return alt.Chart(points, mark=mark, width=CONTRAST_WIDTH, height=height).encode(
        x=alt.X("value:Q", title=title).scale(type="log", nice=True),
        y=rows_axis.axis(grid=True, labelLimit=190),
        yOffset=alt.YOffset("contender:N", sort=names) if many else alt.Undefined,
        color=build_name_colours("contender", names).sort(None),
    )


def render_sweep_chart(found: Sequence[Sweep]) -> RenderedChart | None:
    """None without a sweep."""
    return render_chart("sweep", draw_sweeps(found)) if found else None


def draw_sweeps(found: Sequence[Sweep]) -> Chart:
    """Throughput, latency and CPU per request over the setting that was varied: a line for each
    scenario, a point for each value; dashed is what was predicted, an upright where more stops
    paying. Where the setting decides how many requests are in flight, these are the axis."""
    first = found[0]
    points = [
        (each.scenario, place_value(each, one.value), *(one.figures[key] for key in SWEPT))
        for each in found
        for one in each.points
    ]
    enough = [(each.scenario, each.enough) for each in found if each.enough is not None]
    rows = build_frame(points, "scenario", "value", *SWEPT)
    stops = build_frame(enough, "scenario", "value")
    values = rows["value"].unique().sort().to_list()
    title = "delay, s" if first.setting == "delay" else first.setting
    x = alt.X("value:Q", title="requests in flight" if first.arrival_rate else title)
    x = x.scale(type="log" if values[0] > 0 else "symlog", nice=False, padding=12)
    x = x.axis(values=values, labelOverlap=True)
    colour = build_name_colours("scenario", [each.scenario for each in found]).title(None)
    stop = alt.Chart(stops).mark_rule(strokeDash=[2, 3]).encode(x="value:Q", color=colour)
    lines = alt.Chart(rows).mark_line(strokeDash=[4, 4], opacity=0.7)
    predicted = lines.encode(x=x, y=alt.Y("predicted\\.ok_rps:Q"), color=colour)
    rate, wait, cpu = (
        draw_sweep_line(rows, x, colour, figure, title) for figure, title in SWEEP_PANELS.items()
    )
    panels = [
        each.properties(width=WIDTH, height=2 * PANEL_HEIGHT)
        for each in (alt.layer(stop, predicted, rate), alt.layer(wait), alt.layer(cpu))
    ]
    return alt.vconcat(*panels, spacing=8)


def place_value(sweep: Sweep, value: float) -> float:
    """Where a value stands on the axis."""
    return (sweep.count_in_flight(value) or value) if sweep.arrival_rate else value


def draw_sweep_line(
    rows: pl.DataFrame, x: alt.X, colour: alt.Color, figure: str, title: str
) -> alt.Chart:
    known = rows.filter(pl.col(figure) > 0)
    y = alt.Y(f"{figure}:Q", title=title, scale=build_log_scale(known[figure]))
    line = alt.Chart(known, mark=alt.MarkDef("line", point=True))
    return line.encode(x=x, y=y, color=colour)


def render_ratios_chart(compared: ScenarioComparison) -> RenderedChart | None:
    """None without a ratio."""
    rows = [
        (each.figure, each.ratio.ratio, each.ratio.low, each.ratio.high)
        for each in compared.figures
        if each.ratio.ratio is not None
    ]
    if not rows:
        return None
    known = build_frame(rows, "figure", "ratio", "low", "high")
    values = [each for row in rows for each in row[1:] if each is not None]
    domain = [min(NARROWEST, *values), max(WIDEST, *values)]
    ratios = alt.X("ratio:Q", title="B / A").scale(type="log", domain=domain, nice=False)
    figures = alt.Y("figure:N", title=None).sort(None)
    bounds = alt.Chart(known.drop_nulls()).mark_rule(strokeWidth=3, color=SKY)
    intervals = bounds.encode(x=alt.X("low:Q", title="B / A"), x2="high:Q", y=figures)
    points = alt.Chart(known).mark_point(filled=True, size=60, color=BLUE, opacity=1)
    same = draw_uprights("ratio", [1.0]).mark_rule(strokeDash=[4, 4], color=ORANGE)
    chart = alt.layer(same, intervals, points.encode(x=ratios, y=figures)).properties(width=WIDTH)
    return render_chart(f"{compared.scenario}-ratios", chart)


def render_run_quantiles(scenario: str, curves: pl.DataFrame) -> RenderedChart | None:
    """`curves`: run (A or B), nines, latency_ms; None where there are none."""
    if curves.is_empty():
        return None
    lines = draw_quantile_lines(curves, build_name_colours("run", "AB"), build_dashes("run", "AB"))
    return render_chart(
        f"{scenario}-quantiles", lines.properties(width=WIDTH, height=QUANTILES_HEIGHT)
    )


def render_bars_chart(
    name: str, panels: Mapping[str, Sequence[tuple[str, float]]], order: Sequence[str]
) -> RenderedChart:
    """`panels`: by their titles, the bars with their names, which come in one order."""
    drawn = []
    for title, bars in panels.items():
        base = alt.Chart(build_frame(bars, "name", "value"), title=title).encode(
            x=alt.X("value:Q", title=None), y=alt.Y("name:N", title=None, sort=list(order))
        )
        bar = base.mark_bar().encode(color=build_name_colours("name", order).legend(None))
        text = alt.Text("value:Q", format=",.4~g")
        layers = alt.layer(bar, base.mark_text(align="left", dx=4).encode(text=text))
        drawn.append(layers.properties(width=WIDTH, height=BAR_HEIGHT * len(bars)))
    return render_chart(name, alt.vconcat(*drawn, spacing=12))
