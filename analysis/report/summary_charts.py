"""Charts of a whole run, of two runs, and of an exercise."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import altair as alt
import polars as pl

from analysis.report.drawing import (
    AXIS_WIDTH,
    BLUE,
    CHARACTER,
    NARROW,
    ORANGE,
    SKY,
    WIDE,
    Chart,
    RenderedChart,
    build_frame,
    build_legend,
    build_log_scale,
    build_name_colours,
    build_name_shapes,
    build_title,
    draw_uprights,
    render_both,
    render_chart,
    title_panel,
)
from analysis.report.latency_picture import draw_quantiles
from analysis.report.ticks import list_log_ticks
from analysis.summary.comparison import ScenarioComparison
from analysis.summary.contrast import Contrast
from analysis.summary.sweep import Sweep

CONTRAST_ROW_HEIGHT, BAR_HEIGHT, PANEL_HEIGHT = 18, 24, 150
LONGEST_NAME = 26
GAP, EDGE = 24, 12
MOST_TICKS = 5
LONGEST_NUMBER = 9
CONTRAST_PANELS = {"ok_rps": "successful responses / s", "p95_ms": "p95 latency, ms"}
SWEEP_PANELS = {
    "ok_rps": "successful responses / s",
    "median_ms": "median latency, ms",
    "cpu_ms_per_request": "CPU per request, ms",
}
SWEPT = (*SWEEP_PANELS, "predicted.ok_rps")
STOP = "Dotted vertical lines: beyond them, throughput grows by less than 5 %."
DELAY_STOP = "Dotted vertical lines: up to them, the delay costs less than 5 % of the throughput."
NARROWEST, WIDEST = 0.5, 2.0
"""Minimum range of the ratio axis: without it, a difference of 1 % would fill the axis."""


def render_contrast_chart(found: Sequence[Contrast]) -> RenderedChart | None:
    """Return None if there is no comparison."""
    return render_both("contrast", partial(draw_contrast, found)) if found else None


def draw_contrast(found: Sequence[Contrast], width: float = WIDE) -> Chart:
    """Draw logarithmic axes, so that equal ratios are equal lengths. Such an axis has no zero from
    which bars could start, so the values are points."""
    is_wide = width >= WIDE
    labels = [each.subject for each in found] if len(found) > 1 else list_contenders(found)
    names = CHARACTER * min(LONGEST_NAME, max(map(len, labels))) + EDGE
    room = (width - names - GAP) / 2 - EDGE if is_wide else width - names - EDGE
    panels = [
        draw_contrast_points(found, figure, width).properties(width=room)
        for figure in CONTRAST_PANELS
    ]
    text = found[0].subject if len(found) == 1 else "Throughput and latency"
    title = build_title(width, text, "Both axes are logarithmic.")
    if is_wide:
        return alt.hconcat(*panels, spacing=GAP, title=title)
    return alt.vconcat(*panels, spacing=GAP, title=title)


def list_contenders(found: Sequence[Contrast]) -> list[str]:
    return list(dict.fromkeys(each.contender for one in found for each in one.results))


def draw_contrast_points(found: Sequence[Contrast], figure: str, width: float) -> alt.Chart:
    names, many = list_contenders(found), len(found) > 1
    rows = [
        (one.subject, each.contender, each.figures[figure])
        for one in found
        for each in one.results
        if each.figures.get(figure)
    ]
    points = build_frame(rows, "subject contender", "value")
    labels = [each.subject for each in found] if many else names
    is_second = figure != "ok_rps" and width >= WIDE
    axis = None if is_second else alt.Axis(grid=True, labelLimit=CHARACTER * LONGEST_NAME)
    y = alt.Y("subject:N" if many else "contender:N", title=None, sort=None)
    scale, ticks = build_log_scale(points["value"], MOST_TICKS)
    mark = alt.MarkDef("point", filled=True, size=80, opacity=1, color=BLUE)
    height = CONTRAST_ROW_HEIGHT * len(found) * (len(names) + 2 * many)
    title = title_panel(CONTRAST_PANELS[figure])
    chart = alt.Chart(points, mark=mark, title=title, height=height).encode(
        x=alt.X("value:Q", title=None, scale=scale).axis(values=ticks),
        y=y.scale(domain=labels).axis(axis),
    )
    return mark_contenders(chart, names, width) if many else chart


def mark_contenders(chart: alt.Chart, names: Sequence[str], width: float) -> alt.Chart:
    """Distinguish contenders by colour and shape where each row is a subject with all of them."""
    legend = build_legend(names, width)
    return chart.encode(
        yOffset=alt.YOffset("contender:N", sort=list(names)),
        color=build_name_colours("contender", names).sort(None).legend(legend),
        shape=build_name_shapes("contender", names).sort(None).legend(legend),
    )


def render_sweep_chart(found: Sequence[Sweep]) -> RenderedChart | None:
    """Return None without a sweep."""
    return render_both("sweep", partial(draw_sweeps, found)) if found else None


def draw_sweeps(found: Sequence[Sweep], width: float = WIDE) -> Chart:
    """Draw throughput, latency and CPU per request over the varied setting: a line for each
    scenario, a point for each value, a dashed prediction, a vertical line where more stops paying.
    The axis is requests in flight if the setting decides their number."""
    points = [
        (each.scenario, place_value(each, one.value), *(one.figures[key] for key in SWEPT))
        for each in found
        for one in each.points
    ]
    rows, is_wide = build_frame(points, "scenario", "value", *SWEPT), width >= WIDE
    shown = [each for each in SWEEP_PANELS if (rows[each] > 0).any()]
    room = (width - GAP) / len(SWEEP_PANELS) - AXIS_WIDTH - EDGE if is_wide else width - AXIS_WIDTH
    panels = []
    for figure in shown:
        x = build_setting_axis(found[0], rows["value"], is_titled=is_wide or figure == shown[-1])
        layers = [each.encode(x=x) for each in draw_sweep_layers(found, rows, figure, width)]
        panel = alt.layer(*layers, title=title_panel(SWEEP_PANELS[figure]))
        panels.append(panel.properties(width=room - EDGE, height=PANEL_HEIGHT))
    has_line = rows.drop_nulls("predicted.ok_rps")["scenario"].is_duplicated().any()
    notes = ["Dashed lines: predicted."] if has_line else []
    if any(each.stops_paying for each in found):
        notes.append(DELAY_STOP if found[0].setting == "delay" else STOP)
    title = build_title(width, f"Effect of {found[0].setting}", *notes)
    return alt.hconcat(*panels, title=title) if is_wide else alt.vconcat(*panels, title=title)


def draw_sweep_layers(
    found: Sequence[Sweep], rows: pl.DataFrame, figure: str, width: float
) -> Iterator[alt.Chart]:
    """Yield the layers of a panel; the throughput's scale includes its prediction."""
    names = [each.scenario for each in found]
    legend = build_legend(names, width)
    colours = build_name_colours("scenario", names).legend(legend)
    shapes = build_name_shapes("scenario", names).legend(legend)
    known, predicted = rows.filter(pl.col(figure) > 0), rows.drop_nulls("predicted.ok_rps")
    values = [*known[figure], *(predicted["predicted.ok_rps"] if figure == "ok_rps" else ())]
    scale, ticks = build_log_scale(values, MOST_TICKS)
    y = alt.Y(f"{figure}:Q", title=None, scale=scale).axis(values=ticks)
    base = alt.Chart(known).encode(y=y, color=colours)
    if figure == "ok_rps":
        stops = [(each.scenario, each.enough) for each in found if each.stops_paying]
        stop = alt.Chart(build_frame(stops, "scenario", "value")).mark_rule(strokeDash=[2, 3])
        yield stop.encode(color=colours)
        line = alt.Chart(predicted).mark_line(strokeDash=[4, 4], opacity=0.7)
        yield line.encode(y=alt.Y("predicted\\.ok_rps:Q"), color=colours)
    yield base.mark_line(strokeWidth=2)
    yield base.mark_point(filled=True, size=60, opacity=1).encode(shape=shapes)


def build_setting_axis(sweep: Sweep, values: pl.Series, *, is_titled: bool) -> alt.X:
    name = "delay, s" if sweep.setting == "delay" else sweep.setting
    shown = values.unique().sort().to_list()
    name = "requests in flight" if sweep.arrival_rate else name
    axis = alt.X("value:Q", title=name if is_titled else None)
    ends = [shown[0], shown[-1]]
    axis = axis.scale(type="log" if shown[0] > 0 else "symlog", domain=ends, nice=False, padding=12)
    return axis.axis(values=shown)


def place_value(sweep: Sweep, value: float) -> float:
    """Return the position of a value on the axis."""
    return (sweep.count_in_flight(value) or value) if sweep.arrival_rate else value


def render_ratios_chart(compared: ScenarioComparison) -> RenderedChart | None:
    """Return None without a ratio."""
    rows = [
        (each.figure, each.ratio.ratio, each.ratio.low, each.ratio.high)
        for each in compared.figures
        if each.ratio.ratio is not None
    ]
    if not rows:
        return None
    known = build_frame(rows, "figure", "ratio", "low", "high")
    values = [each for row in rows for each in row[1:] if each is not None]
    low, high = min(NARROWEST, *values), max(WIDEST, *values)
    ticks = [*list_log_ticks(low, high, MOST_TICKS)]
    ratios = alt.X("ratio:Q", title="B / A (logarithmic)")
    ratios = ratios.scale(type="log", domain=[low, high], nice=False).axis(values=ticks)
    names = [each.figure for each in compared.figures if each.ratio.ratio is not None]
    figures = alt.Y("figure:N", title=None).sort(None).scale(domain=names)
    bounds = alt.Chart(known.drop_nulls()).mark_rule(strokeWidth=3, color=SKY)
    intervals = bounds.encode(x=alt.X("low:Q"), x2="high:Q", y=figures)
    points = alt.Chart(known).mark_point(filled=True, size=80, color=BLUE, opacity=1)
    same = draw_uprights("ratio", [1.0]).mark_rule(strokeDash=[4, 4], color=ORANGE)
    room = NARROW - CHARACTER * max(map(len, names)) - 2 * EDGE
    chart = alt.layer(same, intervals, points.encode(x=ratios, y=figures)).properties(
        width=room,
        height=BAR_HEIGHT * len(names),
        title=build_title(NARROW, f"{compared.scenario}: B / A", "Bars: 95 % intervals."),
    )
    return render_chart(f"{compared.scenario}-ratios", chart)


def render_run_quantiles(
    scenario: str, curves: Sequence[tuple[str, pl.DataFrame]]
) -> RenderedChart | None:
    """Return None without curves. `curves`: run (A or B) and result of `compute_distribution`."""
    if not curves:
        return None
    return render_chart(f"{scenario}-quantiles", draw_quantiles(curves, NARROW))


def render_bars_chart(
    name: str, panels: Mapping[str, Sequence[tuple[str, float]]], order: Sequence[str]
) -> RenderedChart:
    """Draw a panel for each title. `panels`: names and values by title; `order`: of the names."""
    drawn = []
    room = NARROW - CHARACTER * (max(map(len, order)) + LONGEST_NUMBER) - EDGE
    for title, bars in panels.items():
        base = alt.Chart(build_frame(bars, "name", "value"), title=title_panel(title)).encode(
            x=alt.X("value:Q", title=None).axis(tickCount=3),
            y=alt.Y("name:N", title=None, sort=list(order)),
        )
        bar = base.mark_bar().encode(color=build_name_colours("name", order).legend(None))
        text = alt.Text("value:Q", format=",.4~g")
        layers = alt.layer(bar, base.mark_text(align="left", dx=4).encode(text=text))
        drawn.append(layers.properties(width=room, height=BAR_HEIGHT * len(bars)))
    return render_chart(name, alt.vconcat(*drawn, spacing=GAP))
