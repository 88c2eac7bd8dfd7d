"""The pictures of a report, drawn by altair: values in, one chart out. No file is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import polars as pl

from analysis.measures.window import Window
from analysis.report import latency_shape as shape
from analysis.report import over_time as time
from analysis.report import timeline as where
from analysis.report.predicted_curves import COLOURS
from analysis.theory.curve import Curve

WIDTH = 330
PANEL_HEIGHT, ROW_HEIGHT, QUANTILES_HEIGHT = 62, 9, 190
BLUE, ORANGE, GREEN, PINK, RED, SKY, BLACK = COLOURS
"""Okabe and Ito's, which colour-blind people tell apart. Grey would be lost in light and dark."""
LANE_COLOURS = {
    where.WAITING: ORANGE,
    where.HANDLING: BLUE,
    where.AWAITING: SKY,
    where.HOLDING: RED,
    where.SILENT: PINK,
    where.SENDING: GREEN,
}
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
SHORTEST_MS, ROOM = 0.01, 1.2
LINES = [BLUE, ORANGE, GREEN]
Chart = alt.Chart | alt.LayerChart | alt.VConcatChart | alt.FacetChart


@dataclass(frozen=True, slots=True)
class CaptionedChart:
    """name: of its files. says: what somebody is told who can't see it."""

    name: str
    title: str
    says: str
    chart: Chart


def build_colour_scale(known: dict[str, str], title: str | None = None) -> alt.Color:
    return alt.Color("series:N", title=title).scale(domain=list(known), range=list(known.values()))


def separate_colours(chart: alt.VConcatChart) -> alt.VConcatChart:
    """Each part with colours of its own."""
    found = chart.resolve_scale(color="independent")
    assert isinstance(found, alt.VConcatChart)
    return found


def style_chart(chart: Chart) -> Chart:
    """White behind the files; the page shows its own background through."""
    found = (
        chart.configure(background="white", font="sans-serif", aria=False)  # the page tells it
        .configure_view(strokeOpacity=0.25)
        .configure_axis(gridOpacity=0.5, titleFontWeight="normal")
        .configure_legend(orient="top", title=None, labelLimit=0)
    )
    assert isinstance(found, Chart)
    return found


def build_kind_colours(kinds: Sequence[str]) -> alt.Color:
    return (
        alt.Color("kind:N", title=None)
        .scale(domain=list(kinds), range=[LANE_COLOURS[kind] for kind in kinds])
        .legend(symbolOpacity=1, symbolStrokeWidth=0, columns=3)
    )


def draw_timeline(found: where.Timeline, begin_s: float, end_s: float) -> Chart:
    """The slice from begin_s to end_s."""
    inside = found.bars.filter(pl.col("end_s") > begin_s, pl.col("start_s") < end_s).with_columns(
        pl.col("start_s", "end_s").clip(begin_s, end_s)
    )
    kinds = [kind for kind in where.KINDS if kind in set(found.bars["kind"])]
    seconds = alt.X("start_s:Q", title="seconds since the cell began").scale(
        domain=[begin_s, end_s], nice=False
    )
    rows = (
        alt.Y("row:N", title=None)
        .scale(domain=list(found.rows))
        .axis(labelOverlap=True, labelFontSize=8, ticks=False, domain=False)
    )
    base = alt.Chart(inside).encode(x=seconds, x2="end_s", y=rows, color=build_kind_colours(kinds))
    waits = base.transform_filter(alt.datum.kind == where.WAITING).mark_bar(
        height={"band": 0.3}, opacity=0.25
    )
    bars = base.transform_filter(alt.datum.kind != where.WAITING).mark_bar(
        height={"band": 0.8}, stroke="white", strokeWidth=0.4
    )
    return alt.layer(waits, bars).properties(width=WIDTH, height=ROW_HEIGHT * len(found.rows) + 4)


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
    drawn = [
        draw_time_panel(
            found, panel, highest[panel], window, deaths, end_s, last=panel == panels[-1]
        )
        for panel in panels
    ]
    return separate_colours(alt.vconcat(*drawn, spacing=6))


def draw_time_panel(
    found: time.TimeSeries,
    panel: str,
    highest: float,
    window: Window,
    deaths: Sequence[float],
    end_s: float,
    *,
    last: bool,
) -> Chart:
    own = found.points.filter(pl.col("panel") == panel)
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
    lines = (
        alt.Chart(own.filter(pl.col("series").is_in(present)))
        .mark_line(strokeWidth=1.3, interpolate="step")
        .encode(
            x=seconds,
            y=alt.Y("value:Q", title=PANELS[panel], scale=scale).axis(tickCount=3),
            color=build_colour_scale({each: SERIES_COLOURS[each] for each in present}).legend(
                None if len(present) == 1 else alt.Legend(orient="top", title=None, offset=0)
            ),
        )
    )
    measured = (
        alt.Chart(pl.DataFrame({"from_s": [window.start_s], "to_s": [window.end_s]}))
        .mark_rect(opacity=0.12, color=SKY)
        .encode(x="from_s:Q", x2="to_s:Q")
    )
    marks = (
        alt.Chart(pl.DataFrame({"at_s": list(deaths)}, schema={"at_s": pl.Float64}))
        .mark_rule(color=RED, strokeDash=[3, 2])
        .encode(x="at_s:Q")
    )
    return alt.layer(measured, lines, marks).properties(width=WIDTH, height=PANEL_HEIGHT)


def build_quantile_axis(quantiles: pl.DataFrame) -> alt.X:
    finest = max(quantiles["nines"].to_list(), default=1.0)
    return (
        alt.X("nines:Q", title="share of requests that were quicker")
        .scale(domain=[0, finest], nice=False)
        .axis(values=[0, 1, 2, 3, 4], labelExpr=NINES_LABELS)
    )


def build_latency_axis(quantiles: pl.DataFrame) -> alt.Y:
    values = quantiles["latency_ms"].to_list()
    low, high = min(values, default=1.0), max(values, default=10.0)
    return alt.Y("latency_ms:Q", title="latency, ms").scale(
        type="log", domain=[max(low, SHORTEST_MS) / ROOM, max(high, SHORTEST_MS) * ROOM], nice=False
    )


def draw_latency(found: shape.LatencyDistribution) -> Chart:
    """All quantiles on one axis, and below it how many took how long."""
    names = [
        each
        for each in (shape.ANSWERED, shape.COUNTING, shape.FROM_SEND)
        if each in set(found.quantiles["series"])
    ]
    lines = (
        alt.Chart(found.quantiles)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=build_quantile_axis(found.quantiles),
            y=build_latency_axis(found.quantiles),
            color=alt.Color("series:N").scale(
                domain=names, range=[BLUE, ORANGE, GREEN][: len(names)]
            ),
            strokeDash=alt.StrokeDash("series:N", legend=None).scale(
                domain=names, range=[[1, 0], [5, 3], [2, 2]][: len(names)]
            ),
        )
        .properties(width=WIDTH, height=QUANTILES_HEIGHT)
    )
    kinds = {shape.GOOD: BLUE, shape.FAILED: RED, shape.OPEN: ORANGE}
    present = [each for each in kinds if each in set(found.spread["what"])]
    piled = found.spread.with_columns(
        top=pl.col("requests").cum_sum().over("from_ms")
    ).with_columns(bottom=pl.col("top") - pl.col("requests"))
    bars = (
        alt.Chart(piled)
        .mark_rect()
        .encode(
            x=alt.X("from_ms:Q", title="latency, ms").scale(type="log", nice=False),
            x2="to_ms",
            y=alt.Y("bottom:Q", title="requests").axis(tickCount=4),
            y2="top",
            color=alt.Color("what:N").scale(
                domain=present, range=[kinds[each] for each in present]
            ),
        )
        .properties(width=WIDTH, height=PANEL_HEIGHT * 1.5)
    )
    return separate_colours(alt.vconcat(lines, bars, spacing=12))


def draw_all_quantiles(found: Sequence[tuple[str, pl.DataFrame]]) -> Chart:
    """Of all cells in one picture: only who was answered, dashed with the unanswered."""
    rows = pl.concat(
        frame.filter(pl.col("series") != shape.FROM_SEND).select(
            pl.lit(name).alias("scenario"), "series", "nines", "latency_ms"
        )
        for name, frame in found
    )
    names = sample_names([name for name, _ in found], len(COLOURS))
    rows = rows.filter(pl.col("scenario").is_in(names))
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=build_quantile_axis(rows),
            y=build_latency_axis(rows),
            color=alt.Color("scenario:N")
            .scale(domain=names, range=repeat_palette(COLOURS, len(names)))
            .legend(columns=2),
            strokeDash=alt.StrokeDash("series:N", legend=None).scale(
                domain=[shape.ANSWERED, shape.COUNTING], range=[[1, 0], [5, 3]]
            ),
        )
        .properties(width=2 * WIDTH, height=1.4 * QUANTILES_HEIGHT)
    )
    assert isinstance(chart, alt.Chart)
    return chart


def draw_run_quantiles(rows: pl.DataFrame) -> Chart:
    """`rows`: run (A or B), nines, latency_ms."""
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=build_quantile_axis(rows),
            y=build_latency_axis(rows),
            color=alt.Color("run:N").scale(domain=["A", "B"], range=[BLUE, ORANGE]),
            strokeDash=alt.StrokeDash("run:N").scale(domain=["A", "B"], range=[[1, 0], [5, 3]]),
        )
        .properties(width=WIDTH, height=QUANTILES_HEIGHT)
    )
    assert isinstance(chart, alt.Chart)
    return chart


def repeat_palette(palette: Sequence[str], count: int) -> list[str]:
    return [palette[number % len(palette)] for number in range(count)]


def sample_names(names: Sequence[str], most: int) -> list[str]:
    """The first, the last, and some between: what has no colour of its own is not told apart."""
    if len(names) <= most:
        return list(names)
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]


Figure = Literal["ok_rps", "mean_ms"]
FIGURES: dict[Figure, str] = {"ok_rps": "good answers / s", "mean_ms": "mean response, ms"}


Values = Mapping[Figure, float | None]


def draw_prediction(curve: Curve, users: int, predicted: Values, measured: Values) -> Chart:
    """What formulas say over users, with the knee dashed. A circle: what was predicted of the run,
    by simulation where no formula holds; a diamond: what was measured."""
    rows = pl.DataFrame(
        [
            {"users": each.users, "ok_rps": each.ok_rps, "mean_ms": 1000 * each.mean_s}
            for each in curve.points
        ]
    )
    parts = [
        draw_over_users(rows, curve, figure, users, predicted[figure], measured[figure])
        for figure in FIGURES
    ]
    return alt.vconcat(*parts, spacing=8)


def draw_over_users(
    rows: pl.DataFrame,
    curve: Curve,
    figure: Figure,
    users: int,
    predicted: float | None,
    measured: float | None,
) -> Chart:
    known = [*rows[figure].to_list(), *(each for each in (predicted, measured) if each)]
    x = (
        alt.X("users:Q", title="users" if figure == "mean_ms" else None)
        .scale(type="log", nice=False)
        .axis(tickCount=4)
    )
    y = (
        alt.Y(f"{figure}:Q", title=FIGURES[figure])
        .scale(type="log", domain=[min(known) / ROOM, max(known) * ROOM], nice=False)
        .axis(tickCount=4)
    )
    line = alt.Chart(rows).mark_line(color=BLUE).encode(x=x, y=y)
    knees = [] if curve.knee_users is None else [curve.knee_users]
    knee = (
        alt.Chart(pl.DataFrame({"users": knees}, schema={"users": pl.Float64}))
        .mark_rule(strokeDash=[4, 4], color=ORANGE)
        .encode(x="users:Q")
    )
    circle = draw_point(users, figure, predicted).mark_point(
        color=BLUE, size=110, shape="circle", strokeWidth=1.5, opacity=1
    )
    diamond = draw_point(users, figure, measured).mark_point(
        color=RED, filled=True, size=70, shape="diamond", opacity=1
    )
    return alt.layer(line, knee, circle, diamond).properties(width=WIDTH, height=1.5 * PANEL_HEIGHT)


def draw_point(users: int, figure: Figure, value: float | None) -> alt.Chart:
    """One point, or none where there is no value that a logarithm knows."""
    point = pl.DataFrame(
        {"users": [float(users)], figure: [value]},
        schema={"users": pl.Float64, figure: pl.Float64},
    ).filter(pl.col(figure) > 0)
    return alt.Chart(point).encode(x="users:Q", y=f"{figure}:Q")
