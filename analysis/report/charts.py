"""The charts of a cell: what it did through time, and how long its requests took. Values in, one
chart out."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import altair as alt
import polars as pl

from analysis.measures.window import MeasuredCell
from analysis.report import latency_shape as shape
from analysis.report import over_time as time
from analysis.report.drawing import (
    BLUE,
    COLOURS,
    GREEN,
    ORANGE,
    PANEL_HEIGHT,
    PINK,
    RED,
    SKY,
    WIDTH,
    Chart,
    build_log_scale,
    build_name_colours,
    draw_uprights,
    separate_colours,
)

QUANTILES_HEIGHT = 190
SERIES_COLOURS = {
    shape.GOOD: BLUE,
    shape.FAILED: RED,
    "in flight": BLUE,
    "loop": GREEN,
    "anyio worker": BLUE,
    "executor": ORANGE,
    "other": PINK,
    "borrowed": BLUE,
    "waiting": ORANGE,
    "age of the last beat": GREEN,
    shape.OPEN: ORANGE,
}
PANELS = {
    time.THROUGHPUT: "answers / s",
    time.IN_FLIGHT: "in flight",
    time.THREAD_COUNT: "threads",
    time.POOL: "pool",
    time.HEARTBEAT: "last beat, ms",
}
NINES_LABELS = "['0 %', '90 %', '99 %', '99.9 %', '99.99 %'][datum.value]"
SHORTEST_MS = 0.01
CURVES = (shape.ANSWERED, shape.COUNTING, shape.FROM_SEND)
DASHES = [[1, 0], [5, 3], [2, 2]]


def draw_over_time(points: pl.DataFrame, highest: Mapping[str, float], cell: MeasuredCell) -> Chart:
    """Panels on one time axis; the window shaded, deaths as rules. `highest`: of each panel over
    all cells of the run, so that cells side by side are on one scale."""
    measured = (
        alt.Chart(pl.DataFrame({"from_s": [cell.window.start_s], "to_s": [cell.window.end_s]}))
        .mark_rect(opacity=0.12, color=SKY)
        .encode(x="from_s:Q", x2="to_s:Q")
    )
    deaths = draw_uprights("at_s", [each.at_s for each in cell.record.deaths])
    marks = deaths.mark_rule(color=RED, strokeDash=[3, 2])
    drawn = []
    for panel in PANELS:
        own = points.filter(pl.col("panel") == panel)
        layers = alt.layer(measured, draw_time_panel(own, panel, highest[panel], cell.end_s), marks)
        drawn.append(layers.properties(width=WIDTH, height=PANEL_HEIGHT))
    return separate_colours(drawn, spacing=6)


def draw_time_panel(own: pl.DataFrame, panel: str, highest: float, end_s: float) -> alt.Chart:
    """Without the series that are 0 all the time, if any is not. The lowest has the seconds."""
    peaks = own.group_by("series", maintain_order=True).agg(pl.col("value").max())
    present = peaks.filter(pl.col("value") > 0)["series"].to_list() or [peaks["series"][0]]
    is_last = panel == time.HEARTBEAT
    seconds = alt.X("at_s:Q", title="seconds since the cell began" if is_last else None)
    scale = (
        alt.Scale(type="log", domain=[10, max(1000.0, highest)], clamp=True)
        if is_last
        else alt.Scale(domain=[0, max(1.0, highest)], nice=True)
    )
    legend = None if len(present) == 1 else alt.Legend(orient="top", title=None, offset=0)
    colours = build_name_colours("series", present, [SERIES_COLOURS[each] for each in present])
    mark = alt.MarkDef("line", strokeWidth=1.3, interpolate="step")
    return alt.Chart(own.filter(pl.col("series").is_in(present)), mark=mark).encode(
        x=seconds.scale(domain=[0, end_s], nice=False).axis(labels=is_last, ticks=is_last),
        y=alt.Y("value:Q", title=PANELS[panel], scale=scale).axis(tickCount=3),
        color=colours.title(None).legend(legend),
    )


def draw_latency(found: shape.LatencyDistribution) -> Chart:
    """All quantiles on one axis, and below it how many took how long."""
    names = [each for each in CURVES if each in set(found.quantiles["series"])]
    dashes = build_dashes("series", names).legend(None)
    lines = draw_quantile_lines(found.quantiles, build_name_colours("series", names), dashes)
    bars = draw_spread(found.spread).properties(width=WIDTH, height=PANEL_HEIGHT * 1.5)
    return separate_colours(
        (lines.properties(width=WIDTH, height=QUANTILES_HEIGHT), bars), spacing=12
    )


def draw_spread(spread: pl.DataFrame) -> alt.Chart:
    present = [each for each in SERIES_COLOURS if each in set(spread["what"])]
    top = pl.col("requests").cum_sum().over("from_ms")
    piled = spread.with_columns(top=top, bottom=top - pl.col("requests"))
    return alt.Chart(piled, mark="rect").encode(
        x=alt.X("from_ms:Q", title="latency, ms").scale(type="log", nice=False),
        x2="to_ms",
        y=alt.Y("bottom:Q", title="requests").axis(tickCount=4),
        y2="top",
        color=build_name_colours("what", present, [SERIES_COLOURS[each] for each in present]),
    )


def draw_all_quantiles(found: Mapping[str, pl.DataFrame]) -> Chart:
    """Of all cells in one picture: only who was answered, dashed with the unanswered. More cells
    than there are colours are shared out over panels with the same axes: none is left out."""
    rows = pl.concat(each.with_columns(scenario=pl.lit(name)) for name, each in found.items())
    rows = rows.filter(pl.col("series") != shape.FROM_SEND)
    panels = []
    for names in share_out(list(found), len(COLOURS)):
        own = rows.filter(pl.col("scenario").is_in(names))
        colours = build_name_colours("scenario", names).legend(columns=2)
        dashes = build_dashes("series", CURVES[:2]).legend(None)
        lines = draw_quantile_lines(own, colours, dashes, rows)
        panels.append(lines.properties(width=2 * WIDTH, height=1.4 * QUANTILES_HEIGHT))
    return separate_colours(panels, spacing=12)


def share_out(names: Sequence[str], most: int) -> list[list[str]]:
    """In order, into as few parts as can be, of nearly the same length."""
    parts = -(-len(names) // most)
    limits = [len(names) * place // parts for place in range(parts + 1)]
    return [list(names[begin:end]) for begin, end in pairwise(limits)]


def build_dashes(field: str, names: Sequence[str]) -> alt.StrokeDash:
    dashes = DASHES[: len(names)]
    return alt.StrokeDash(f"{field}:N").scale(domain=list(names), range=dashes)


def draw_quantile_lines(
    quantiles: pl.DataFrame,
    colour: alt.Color,
    dash: alt.StrokeDash,
    reach: pl.DataFrame | None = None,
) -> alt.Chart:
    """reach: what the axes are for, where that is more than these lines."""
    everything = quantiles if reach is None else reach
    finest = max(everything["nines"], default=1.0)
    shares = (
        alt.X("nines:Q", title="share of requests that were quicker")
        .scale(domain=[0, finest], nice=False)
        .axis(values=[0, 1, 2, 3, 4], labelExpr=NINES_LABELS)
    )
    scale = build_log_scale(everything["latency_ms"].clip(SHORTEST_MS))
    latencies = alt.Y("latency_ms:Q", title="latency, ms", scale=scale)
    lines = alt.Chart(quantiles, mark=alt.MarkDef("line", strokeWidth=1.6))
    return lines.encode(x=shares, y=latencies, color=colour, strokeDash=dash)
