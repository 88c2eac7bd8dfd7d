"""The picture of a sweep: throughput and latency over the setting that was varied."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.charts import COLOURS
from analysis.report.drawing import Drawn, drawn
from analysis.report.pictures import PANEL_HEIGHT, ROOM, WIDTH, Picture
from analysis.sweep import Sweep, verdict

HEIGHT = 2 * PANEL_HEIGHT
SCHEMA = {
    "scenario": pl.String(), "value": pl.Float64(), "ok_rps": pl.Float64(),
    "predicted_rps": pl.Float64(), "median_ms": pl.Float64(),
}  # fmt: skip


def sweep_picture(found: Sequence[Sweep]) -> Drawn | None:
    """None without a sweep."""
    if not found:
        return None
    says = " ".join(f"{verdict(each)}." for each in found)
    return drawn(Picture("sweep", f"Over {found[0].setting}", says, chart(found)))


def chart(found: Sequence[Sweep]) -> alt.VConcatChart:
    """A line for each scenario, a point for each value; dashed is what was foretold, an upright
    where more stops paying."""
    rows = pl.DataFrame(
        [
            (each.scenario, one.value, one.ok_rps, one.predicted_rps, one.median_ms)
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
        .encode(x=x, y="predicted_rps:Q", color=colour)
    )
    rate = measured(rows, x, colour, "ok_rps", "good answers / s")
    wait = measured(rows, x, colour, "median_ms", "median, ms")
    return alt.vconcat(
        alt.layer(stop, foretold, rate).properties(width=WIDTH, height=HEIGHT),
        alt.layer(wait).properties(width=WIDTH, height=HEIGHT),
        spacing=8,
    )


def measured(rows: pl.DataFrame, x: alt.X, colour: alt.Color, figure: str, title: str) -> alt.Chart:
    known = rows.filter(pl.col(figure) > 0)
    seen = [float(each) for each in known[figure]]
    domain = [min(seen) / ROOM, max(seen) * ROOM] if seen else [1.0, 10.0]
    y = alt.Y(f"{figure}:Q", title=title).scale(type="log", domain=domain, nice=False)
    chart = alt.Chart(known).mark_line(point=True).encode(x=x, y=y, color=colour)
    assert isinstance(chart, alt.Chart)
    return chart
