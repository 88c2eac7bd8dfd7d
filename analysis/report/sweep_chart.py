"""The picture of a sweep: throughput and latency over the setting that was varied."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.report.charts import PANEL_HEIGHT, ROOM, WIDTH, CaptionedChart
from analysis.report.drawing import RenderedChart, render_chart
from analysis.report.predicted_curves import COLOURS
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
    return render_chart(
        CaptionedChart("sweep", f"Over {found[0].setting}", says, draw_sweeps(found))
    )


def draw_sweeps(found: Sequence[Sweep]) -> alt.VConcatChart:
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
    setting = found[0].setting
    title = "delay, s" if setting == "delay" else setting
    names = [each.scenario for each in found]
    values = sorted({one.value for each in found for one in each.points})
    x = alt.X("value:Q", title=title).scale(
        type="log" if values[0] > 0 else "symlog", nice=False, padding=12
    )
    x = x.axis(values=values, labelOverlap=True)
    colour = alt.Color("scenario:N", title=None).scale(
        domain=names, range=[COLOURS[place % len(COLOURS)] for place in range(len(names))]
    )
    stop = alt.Chart(stops).mark_rule(strokeDash=[2, 3]).encode(x="value:Q", color=colour)
    foretold = (
        alt.Chart(rows)
        .mark_line(strokeDash=[4, 4], opacity=0.7)
        .encode(x=x, y=alt.Y("predicted\\.ok_rps:Q"), color=colour)
    )
    rate = draw_sweep_panel(rows, x, colour, "ok_rps", "good answers / s")
    wait = draw_sweep_panel(rows, x, colour, "median_ms", "median, ms")
    return alt.vconcat(
        alt.layer(stop, foretold, rate).properties(width=WIDTH, height=HEIGHT),
        alt.layer(wait).properties(width=WIDTH, height=HEIGHT),
        spacing=8,
    )


def draw_sweep_panel(
    rows: pl.DataFrame, x: alt.X, colour: alt.Color, figure: str, title: str
) -> alt.Chart:
    known = rows.filter(pl.col(figure) > 0)
    seen = [float(each) for each in known[figure]]
    domain = [min(seen) / ROOM, max(seen) * ROOM] if seen else [1.0, 10.0]
    y = alt.Y(f"{figure}:Q", title=title).scale(type="log", domain=domain, nice=False)
    chart = alt.Chart(known).mark_line(point=True).encode(x=x, y=y, color=colour)
    assert isinstance(chart, alt.Chart)
    return chart
