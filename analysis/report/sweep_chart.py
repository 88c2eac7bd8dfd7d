"""The picture of a sweep: throughput and latency over the setting that was varied."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.report.drawing import (
    PANEL_HEIGHT,
    WIDTH,
    Chart,
    RenderedChart,
    build_log_scale,
    build_name_colours,
    render_chart,
)
from analysis.report.sweep_table import describe_sufficient_value
from analysis.summary.sweep import Sweep

HEIGHT = 2 * PANEL_HEIGHT
SHOWN = ("ok_rps", "predicted.ok_rps", "median_ms")
SCHEMA = {"scenario": pl.String(), "value": pl.Float64()} | dict.fromkeys(SHOWN, pl.Float64())


def render_sweep_chart(found: Sequence[Sweep]) -> RenderedChart | None:
    """None without a sweep."""
    if not found:
        return None
    says = " ".join(f"{describe_sufficient_value(each)}." for each in found)
    return render_chart("sweep", f"Over {found[0].setting}", says, draw_sweeps(found))


def draw_sweeps(found: Sequence[Sweep]) -> Chart:
    """A line for each scenario, a point for each value; dashed is what was foretold, an upright
    where more stops paying."""
    rows = pl.DataFrame(
        [
            (each.scenario, one.value, *(one.figures[key] for key in SHOWN))
            for each in found
            for one in each.points
        ],
        SCHEMA,
        orient="row",
    )
    stops = pl.DataFrame(
        [(each.scenario, each.enough) for each in found if each.enough is not None],
        {"scenario": pl.String(), "value": pl.Float64()},
        orient="row",
    )
    x = build_setting_axis(found[0].setting, rows["value"].unique().sort().to_list())
    colour = build_name_colours("scenario", [each.scenario for each in found]).title(None)
    stop = alt.Chart(stops).mark_rule(strokeDash=[2, 3]).encode(x="value:Q", color=colour)
    lines = alt.Chart(rows).mark_line(strokeDash=[4, 4], opacity=0.7)
    predicted = lines.encode(x=x, y=alt.Y("predicted\\.ok_rps:Q"), color=colour)
    rate = draw_sweep_panel(rows, x, colour, "ok_rps", "good answers / s")
    wait = draw_sweep_panel(rows, x, colour, "median_ms", "median, ms")
    panels = (alt.layer(stop, predicted, rate), alt.layer(wait))
    return alt.vconcat(*(each.properties(width=WIDTH, height=HEIGHT) for each in panels), spacing=8)


def build_setting_axis(setting: str, values: Sequence[float]) -> alt.X:
    return (
        alt.X("value:Q", title="delay, s" if setting == "delay" else setting)
        .scale(type="log" if values[0] > 0 else "symlog", nice=False, padding=12)
        .axis(values=list(values), labelOverlap=True)
    )


def draw_sweep_panel(
    rows: pl.DataFrame, x: alt.X, colour: alt.Color, figure: str, title: str
) -> alt.Chart:
    known = rows.filter(pl.col(figure) > 0)
    y = alt.Y(f"{figure}:Q", title=title, scale=build_log_scale(known[figure]))
    chart: alt.Chart = alt.Chart(known).mark_line(point=True).encode(x=x, y=y, color=colour)
    return chart
