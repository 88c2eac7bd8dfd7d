"""The charts of a cell: what it did through time, and how long its requests took. Values in, one
chart out."""

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from analysis.measures.window import Window
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
    "good": BLUE,
    "failed": RED,
    "in flight": BLUE,
    "loop": GREEN,
    "anyio worker": BLUE,
    "executor": ORANGE,
    "other": PINK,
    "borrowed": BLUE,
    "waiting": ORANGE,
    "age of the last beat": GREEN,
}
PANELS = {
    time.THROUGHPUT: "answers / s",
    time.IN_FLIGHT: "in flight",
    time.THREAD_COUNT: "threads",
    time.POOL: "pool",
    time.HEARTBEAT: "last beat, ms",
}
NINES_LABELS = (
    "datum.value == 0 ? '0 %' : datum.value == 1 ? '90 %' : datum.value == 2 ? '99 %' : "
    "datum.value == 3 ? '99.9 %' : datum.value == 4 ? '99.99 %' : ''"
)
SHORTEST_MS = 0.01
SPREAD_COLOURS = {shape.GOOD: BLUE, shape.FAILED: RED, shape.OPEN: ORANGE}
CURVES = (shape.ANSWERED, shape.COUNTING, shape.FROM_SEND)
DASHES = [[1, 0], [5, 3], [2, 2]]


def build_known_colours(field: str, known: Mapping[str, str], present: Sequence[str]) -> alt.Color:
    colours = [known[each] for each in present]
    return alt.Color(f"{field}:N").scale(domain=list(present), range=colours)


def draw_over_time(
    found: time.TimeSeries,
    highest: Mapping[str, float],
    window: Window,
    deaths: Sequence[float],
    end_s: float,
) -> Chart:
    """Panels on one time axis; the window shaded, deaths as rules. `highest`: of each panel over
    all cells of the run, so that cells side by side are on one scale."""
    panels = [panel for panel in PANELS if panel in set(found.points["panel"])]
    measured = (
        alt.Chart(pl.DataFrame({"from_s": [window.start_s], "to_s": [window.end_s]}))
        .mark_rect(opacity=0.12, color=SKY)
        .encode(x="from_s:Q", x2="to_s:Q")
    )
    marks = draw_uprights("at_s", deaths).mark_rule(color=RED, strokeDash=[3, 2])
    drawn = []
    for panel in panels:
        own = found.points.filter(pl.col("panel") == panel)
        lines = draw_time_panel(own, panel, highest[panel], end_s, last=panel == panels[-1])
        layers = alt.layer(measured, lines, marks)
        drawn.append(layers.properties(width=WIDTH, height=PANEL_HEIGHT))
    return separate_colours(drawn, spacing=6)


def draw_time_panel(
    own: pl.DataFrame, panel: str, highest: float, end_s: float, *, last: bool
) -> alt.Chart:
    totals = own.group_by("series", maintain_order=True).agg(pl.col("value").max())
    present = (
        totals.filter(pl.col("value") > 0)["series"].to_list() or totals["series"].to_list()[:1]
    )
    seconds = (
        alt.X("at_s:Q", title="seconds since the cell began" if last else None)
        .scale(domain=[0, end_s], nice=False)
        .axis(labels=last, ticks=last)
    )
    if panel == time.HEARTBEAT:
        scale = alt.Scale(type="log", domain=[10, max(1000.0, highest)], clamp=True)
    else:
        scale = alt.Scale(domain=[0, max(1.0, highest)], nice=True)
    legend = None if len(present) == 1 else alt.Legend(orient="top", title=None, offset=0)
    lines = alt.Chart(own.filter(pl.col("series").is_in(present))).mark_line(
        strokeWidth=1.3, interpolate="step"
    )
    chart: alt.Chart = lines.encode(
        x=seconds,
        y=alt.Y("value:Q", title=PANELS[panel], scale=scale).axis(tickCount=3),
        color=build_known_colours("series", SERIES_COLOURS, present).title(None).legend(legend),
    )
    return chart


def draw_latency(found: shape.LatencyDistribution) -> Chart:
    """All quantiles on one axis, and below it how many took how long."""
    names = [each for each in CURVES if each in set(found.quantiles["series"])]
    lines = draw_quantile_lines(
        found.quantiles,
        build_name_colours("series", names),
        build_dashes("series", names).legend(None),
    )
    bars = draw_spread(found.spread).properties(width=WIDTH, height=PANEL_HEIGHT * 1.5)
    return separate_colours(
        (lines.properties(width=WIDTH, height=QUANTILES_HEIGHT), bars), spacing=12
    )


def draw_spread(spread: pl.DataFrame) -> alt.Chart:
    present = [each for each in SPREAD_COLOURS if each in set(spread["what"])]
    piled = spread.with_columns(top=pl.col("requests").cum_sum().over("from_ms"))
    bars = alt.Chart(piled.with_columns(bottom=pl.col("top") - pl.col("requests"))).mark_rect()
    chart: alt.Chart = bars.encode(
        x=alt.X("from_ms:Q", title="latency, ms").scale(type="log", nice=False),
        x2="to_ms",
        y=alt.Y("bottom:Q", title="requests").axis(tickCount=4),
        y2="top",
        color=build_known_colours("what", SPREAD_COLOURS, present),
    )
    return chart


def draw_all_quantiles(found: Sequence[tuple[str, pl.DataFrame]]) -> Chart:
    """Of all cells in one picture: only who was answered, dashed with the unanswered."""
    rows = pl.concat(
        frame.filter(pl.col("series") != shape.FROM_SEND).select(
            pl.lit(name).alias("scenario"), "series", "nines", "latency_ms"
        )
        for name, frame in found
    )
    names = sample_names([name for name, _ in found], len(COLOURS))
    return draw_quantile_lines(
        rows.filter(pl.col("scenario").is_in(names)),
        build_name_colours("scenario", names).legend(columns=2),
        build_dashes("series", CURVES[:2]).legend(None),
    ).properties(width=2 * WIDTH, height=1.4 * QUANTILES_HEIGHT)


def draw_run_quantiles(rows: pl.DataFrame) -> Chart:
    """`rows`: run (A or B), nines, latency_ms."""
    names = ("A", "B")
    return draw_quantile_lines(
        rows, build_name_colours("run", names), build_dashes("run", names)
    ).properties(width=WIDTH, height=QUANTILES_HEIGHT)


def build_dashes(field: str, names: Sequence[str]) -> alt.StrokeDash:
    dashes = DASHES[: len(names)]
    return alt.StrokeDash(f"{field}:N").scale(domain=list(names), range=dashes)


def draw_quantile_lines(
    quantiles: pl.DataFrame, colour: alt.Color, dash: alt.StrokeDash
) -> alt.Chart:
    finest = max(quantiles["nines"].to_list(), default=1.0)
    shares = (
        alt.X("nines:Q", title="share of requests that were quicker")
        .scale(domain=[0, finest], nice=False)
        .axis(values=[0, 1, 2, 3, 4], labelExpr=NINES_LABELS)
    )
    scale = build_log_scale(quantiles["latency_ms"].clip(SHORTEST_MS))
    latencies = alt.Y("latency_ms:Q", title="latency, ms", scale=scale)
    lines = alt.Chart(quantiles).mark_line(strokeWidth=1.6)
    chart: alt.Chart = lines.encode(x=shares, y=latencies, color=colour, strokeDash=dash)
    return chart


def sample_names(names: Sequence[str], most: int) -> list[str]:
    """The first, the last, and some between: what has no colour of its own is not told apart."""
    if len(names) <= most:
        return list(names)
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]
