"""What the cells of a run did over time: all of them on one axis, and of each its threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis.measures.window import Window
from analysis.report import over_time as time
from analysis.report.drawing import (
    AXIS_WIDTH,
    BLUE,
    GREEN,
    NARROW,
    ORANGE,
    PINK,
    SKY,
    WIDE,
    Chart,
    build_frame,
    build_legend,
    build_log_scale,
    build_name_colours,
    build_title,
    title_panel,
)
from scenarios.units import Second

PANELS = {
    time.THROUGHPUT: "good answers / s",
    time.IN_FLIGHT: "requests in flight",
    time.THREAD_COUNT: "threads",
    time.HEARTBEAT: "age of the event loop's last heartbeat, ms",
}
WITH_FAILED = "answers / s (dashed: failed)"
PANEL_HEIGHTS = {time.THROUGHPUT: 110, time.HEARTBEAT: 80}
USUAL_HEIGHT = 70
SHORTEST_BEAT_MS = 10.0
"""A younger heartbeat is that of a loop with nothing in its way."""
MOST_TICKS = 4
KIND_COLOURS = {
    time.THREAD_COUNT: {
        "loop": GREEN,
        "anyio worker": BLUE,
        "executor": ORANGE,
        "other": PINK,
    },
    time.POOL: {"borrowed": BLUE, "waiting": ORANGE},
}
KIND_TITLES = {time.THREAD_COUNT: "threads", time.POOL: "pool: threads borrowed, requests waiting"}
AXIS_TITLE = "seconds since the window opened"


@dataclass(frozen=True, slots=True)
class CellCourse:
    """points: of `compute_time_series`, with the times of `window`."""

    name: str
    points: pl.DataFrame
    window: Window
    end_s: Second
    deaths_s: tuple[Second, ...] = ()

    @property
    def shown(self) -> pl.DataFrame:
        """With times since the window opened."""
        since = pl.col("at_s") - self.window.start_s
        return self.points.with_columns(at_s=since, scenario=pl.lit(self.name))

    @property
    def uses_threads(self) -> bool:
        """Whether a pool or an executor served it."""
        pooled = pl.col("panel").eq(time.POOL) | pl.col("series").is_in(
            ["anyio worker", "executor"]
        )
        return bool((self.points.filter(pooled)["value"] > 0).any())


def draw_over_time(cells: Sequence[CellCourse], width: float = WIDE) -> Chart:
    """A line for each cell, in panels on one time axis."""
    points = combine_points(cells)
    names = [each.name for each in cells]
    colours = build_name_colours("scenario", names).legend(build_legend(names, width))
    seconds = build_seconds(cells)
    behind = draw_windows(cells), draw_deaths(cells, colours)
    drawn = []
    for panel, title in PANELS.items():
        own = points.filter(pl.col("panel") == panel, pl.col("value").is_not_null())
        if own.is_empty():
            continue
        has_failed = "failed" in set(own["series"])
        lines = draw_lines(own, panel, colours).encode(x=seconds)
        layers = alt.layer(*behind, lines, title=title_panel(WITH_FAILED if has_failed else title))
        height = PANEL_HEIGHTS.get(panel, USUAL_HEIGHT)
        drawn.append(layers.properties(width=width - AXIS_WIDTH, height=height))
    found: Chart = alt.vconcat(*drawn, spacing=8, title=build_title(width, *describe(cells)))
    return found


def describe(cells: Sequence[CellCourse]) -> tuple[str, ...]:
    notes = ["Over time", "Shaded: the window. Only the answers in it count."]
    if any(each.deaths_s for each in cells):
        notes.append("Dashed uprights: a worker dies.")
    return tuple(notes)


def combine_points(cells: Sequence[CellCourse]) -> pl.DataFrame:
    """Of all cells; threads of all kinds together, and failures only where there are any."""
    points = pl.concat(each.shown for each in cells)
    is_threads = pl.col("panel") == time.THREAD_COUNT
    total = pl.when(pl.col("value").count() > 0).then(pl.col("value").sum())
    threads = (
        points.filter(is_threads)
        .group_by("scenario", "at_s", "panel", maintain_order=True)
        .agg(series=pl.lit("threads"), value=total)
    )
    failed = points.filter(pl.col("series") == "failed")["value"].max()
    has_failed = isinstance(failed, float) and failed > 0
    rest = points.filter(~is_threads, (pl.col("series") != "failed") | has_failed)
    return pl.concat([rest, threads.select(rest.columns)])


def build_seconds(cells: Sequence[CellCourse]) -> alt.X:
    begin_s = min(-each.window.start_s for each in cells)
    end_s = max(each.end_s - each.window.start_s for each in cells)
    scale = alt.Scale(domain=[begin_s, end_s], nice=False)
    return alt.X("at_s:Q", title=AXIS_TITLE, scale=scale).axis(tickCount=6)


def draw_lines(own: pl.DataFrame, panel: str, colours: alt.Color) -> alt.Chart:
    axis = alt.Y("value:Q", title=None).axis(tickCount=3)
    if panel == time.HEARTBEAT:
        highest = max(1000.0, *own["value"])
        scale, ticks = build_log_scale([SHORTEST_BEAT_MS, highest], MOST_TICKS)
        axis = alt.Y("value:Q", title=None, scale=scale).axis(values=ticks)
    dashes = alt.StrokeDash("series:N", legend=None)
    dashes = dashes.scale(domain=["good", "failed"], range=[[1, 0], [4, 3]])
    mark = alt.MarkDef("line", strokeWidth=1.6, interpolate="step")
    return alt.Chart(own, mark=mark).encode(y=axis, color=colours, strokeDash=dashes)


def draw_windows(cells: Sequence[CellCourse]) -> alt.Chart:
    """Those of one length once."""
    lengths = sorted({round(each.window.length_s, 1) for each in cells})
    spans = build_frame([(0.0, each) for each in lengths], "", "from_s", "to_s")
    return alt.Chart(spans).mark_rect(opacity=0.12, color=SKY).encode(x="from_s:Q", x2="to_s:Q")


def draw_deaths(cells: Sequence[CellCourse], colours: alt.Color) -> alt.Chart:
    deaths = [(each.name, at_s - each.window.start_s) for each in cells for at_s in each.deaths_s]
    rules = alt.Chart(build_frame(deaths, "scenario", "at_s")).mark_rule(strokeDash=[3, 2])
    return rules.encode(x="at_s:Q", color=colours)


def find_maxima(cells: Sequence[CellCourse]) -> dict[str, float]:
    """Of each panel: small pictures of several cells have one scale."""
    points = pl.concat(each.points for each in cells)
    return dict(points.group_by("panel").agg(pl.col("value").max().fill_null(0.0)).iter_rows())


def draw_threads(cell: CellCourse, highest: Mapping[str, float], width: float = NARROW) -> Chart:
    """Of one cell, by kind, and how many requests wait for one."""
    drawn = []
    for panel, colours in KIND_COLOURS.items():
        own = cell.shown.filter(pl.col("panel") == panel, pl.col("value").is_not_null())
        peaks = own.group_by("series", maintain_order=True).agg(pl.col("value").max())
        present = peaks.filter(pl.col("value") > 0)["series"].to_list()
        if not present:
            continue
        scale = alt.Scale(domain=[0, max(1.0, highest[panel])], nice=True)
        mark = alt.MarkDef("line", strokeWidth=1.6, interpolate="step")
        lines = alt.Chart(own.filter(pl.col("series").is_in(present)), mark=mark).encode(
            x=build_seconds([cell]),
            y=alt.Y("value:Q", title=None, scale=scale).axis(tickCount=3),
            color=build_name_colours("series", present, [colours[each] for each in present]),
        )
        layers = alt.layer(draw_windows([cell]), lines, title=title_panel(KIND_TITLES[panel]))
        drawn.append(layers.properties(width=width - AXIS_WIDTH - 6, height=USUAL_HEIGHT))
    title = build_title(width, f"{cell.name}: threads")
    found: Chart = alt.vconcat(*drawn, spacing=8, title=title).resolve_scale(color="independent")
    return found
