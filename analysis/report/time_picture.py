"""The cells of a run over time, all on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis.measures.window import Window
from analysis.report import over_time as time
from analysis.report.drawing import (
    AXIS_WIDTH,
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


@dataclass(frozen=True, slots=True)
class Panel:
    """dashed: the second of two series, which `more` adds to the title."""

    title: str
    height: int = 70
    dashed: str = ""
    more: str = ""


PANELS = {
    time.THROUGHPUT: Panel("successful responses / s", 110, "failed", " (dashed: failed / s)"),
    time.IN_FLIGHT: Panel("requests in flight"),
    time.THREAD_COUNT: Panel("threads"),
    time.POOL: Panel("pool threads in use", 70, "waiting", " (dashed: waiting requests)"),
    time.HEARTBEAT: Panel("age of the event loop's last heartbeat, ms", 80),
}
BEFORE, AFTER = 1.0, 0.5
"""Maximum time shown before and after the window, in lengths of the longest window."""
SHORTEST_BEAT_MS = 10.0
"""Heartbeats younger than this mean an unblocked event loop."""
MOST_TICKS = 4
EDGE = 12
DASH = [4, 3]
ABOVE = 1.08
"""Room above the highest line, in which the frame does not hide it."""


@dataclass(frozen=True, slots=True)
class CellCourse:
    """A cell over time. points: of `compute_time_series`; its times are those of `window`."""

    name: str
    points: pl.DataFrame
    window: Window
    end_s: Second
    deaths_s: tuple[Second, ...] = ()

    @property
    def shown(self) -> pl.DataFrame:
        """The points, with times since the start of the window."""
        since = pl.col("at_s") - self.window.start_s
        return self.points.with_columns(at_s=since, scenario=pl.lit(self.name))


def draw_over_time(cells: Sequence[CellCourse], width: float = WIDE) -> Chart:
    """Draw a line for each cell, in panels on one time axis."""
    points = combine_points(cells)
    names = [each.name for each in cells]
    colours = build_name_colours("scenario", names).legend(build_legend(names, width))
    present = [each for each in PANELS if each in set(points["panel"])]
    behind = draw_windows(cells), draw_deaths(cells, colours)
    drawn = []
    for panel in present:
        own = points.filter(pl.col("panel") == panel)
        seconds = build_seconds(cells, is_last=panel == present[-1])
        lines = draw_lines(own, panel, colours).encode(x=seconds)
        layers = alt.layer(*behind, lines, title=title_panel(name_panel(own, PANELS[panel])))
        drawn.append(
            layers.properties(width=width - AXIS_WIDTH - EDGE, height=PANELS[panel].height)
        )
    together = alt.vconcat(*drawn, spacing=4, title=build_title(width, *describe(cells)))
    found: Chart = together.resolve_scale(strokeDash="independent")
    return found


def name_panel(own: pl.DataFrame, panel: Panel) -> str:
    has_dashed = panel.dashed in set(own["series"])
    return panel.title + panel.more * has_dashed


def describe(cells: Sequence[CellCourse]) -> tuple[str, ...]:
    notes = ["Responses and threads over time"]
    notes.append("Shaded: the window. Only responses within it count.")
    if any(each.deaths_s for each in cells):
        notes.append("Dashed vertical lines: a worker dies.")
    return tuple(notes)


def combine_points(cells: Sequence[CellCourse]) -> pl.DataFrame:
    """Combine the points of all cells, with threads of all kinds together. Leave out unknown
    values, and dashed series and pools that are 0 in all cells."""
    points = pl.concat(each.shown for each in cells).drop_nulls("value")
    is_threads = pl.col("panel") == time.THREAD_COUNT
    threads = (
        points.filter(is_threads)
        .group_by("scenario", "at_s", "panel", maintain_order=True)
        .agg(series=pl.lit("threads"), value=pl.col("value").sum())
    )
    dashed = [each.dashed for each in PANELS.values() if each.dashed]
    is_optional = pl.col("series").is_in(dashed) | pl.col("panel").eq(time.POOL)
    is_there = pl.col("value").max().over("panel", "series") > 0
    rest = points.filter(~is_threads, ~is_optional | is_there)
    return pl.concat([rest, threads.select(rest.columns)])


def build_seconds(cells: Sequence[CellCourse], *, is_last: bool) -> alt.X:
    """Build the time axis; only the last panel shows numbers."""
    longest_s = max(each.window.length_s for each in cells) or max(each.end_s for each in cells)
    begin_s = max(-BEFORE * longest_s, min(-each.window.start_s for each in cells))
    end_s = max(each.end_s - each.window.start_s for each in cells)
    scale = alt.Scale(domain=[begin_s, min(end_s, (1 + AFTER) * longest_s)], nice=False)
    axis = alt.X("at_s:Q", title="seconds since the start of the window" if is_last else None)
    return axis.scale(scale).axis(tickCount=6, labels=is_last, ticks=is_last)


def draw_lines(own: pl.DataFrame, panel: str, colours: alt.Color) -> alt.Chart:
    highest = max(own["value"], default=0.0) * ABOVE or 1.0
    scale = alt.Scale(domain=[0, highest], nice=False)
    axis = alt.Y("value:Q", title=None, scale=scale).axis(tickCount=3)
    if panel == time.HEARTBEAT:
        highest = max(1000.0, *own["value"])
        scale, ticks = build_log_scale([SHORTEST_BEAT_MS, highest], MOST_TICKS)
        axis = alt.Y("value:Q", title=None, scale=scale).axis(values=ticks)
    dashes = alt.StrokeDash("series:N", legend=None)
    series = own["series"].unique(maintain_order=True).to_list()
    dashed = PANELS[panel].dashed
    dashes = dashes.scale(
        domain=series, range=[DASH if each == dashed else [1, 0] for each in series]
    )
    mark = alt.MarkDef("line", strokeWidth=1.8, interpolate="step", clip=True)
    return alt.Chart(own, mark=mark).encode(y=axis, color=colours, strokeDash=dashes)


def draw_windows(cells: Sequence[CellCourse]) -> alt.Chart:
    """Draw windows of equal length once."""
    lengths = sorted({round(each.window.length_s, 1) for each in cells})
    spans = build_frame([(0.0, each) for each in lengths], "", "from_s", "to_s")
    mark = alt.MarkDef("rect", opacity=0.12, color=SKY, clip=True)
    return alt.Chart(spans, mark=mark).encode(x="from_s:Q", x2="to_s:Q")


def draw_deaths(cells: Sequence[CellCourse], colours: alt.Color) -> alt.Chart:
    deaths = [(each.name, at_s - each.window.start_s) for each in cells for at_s in each.deaths_s]
    mark = alt.MarkDef("rule", strokeDash=[3, 2], clip=True)
    rules = alt.Chart(build_frame(deaths, "scenario", "at_s"), mark=mark)
    return rules.encode(x="at_s:Q", color=colours)
