"""The chart on a report's first screen: a row for each scenario, with its throughput, the limit set
by the load, the predicted range, the median and the 99th percentile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import altair as alt
import polars as pl

from analysis.metrics import get_value
from analysis.report.drawing import (
    BLUE,
    CHARACTER,
    ORANGE,
    PALE_SKY,
    RED,
    WIDE,
    Chart,
    RenderedChart,
    build_frame,
    build_legend,
    build_title,
    layer_charts,
    render_both,
)
from analysis.report.limit_words import explain_missing_latency
from analysis.report.run_table import COUNTING_UNANSWERED
from analysis.report.ticks import list_log_ticks
from analysis.stats import formats
from analysis.summary.load_limit import measure_load_limit_rps
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_many_failures, has_starved_users
from scenarios.model import Scenario

TITLE = "Throughput and latency"
MEASURED, LIMIT, PREDICTED = "measured", "limit set by the load", "predicted range"
MEDIAN, P99, AT_LEAST = "median", "99th percentile", "lower bound"
RANGE = "M-1,-0.6H-0.7V-0.15H0.7V-0.6H1V0.6H0.7V0.15H-0.7V0.6H-1Z"
"""A line with end caps, in the coordinates of a Vega symbol: from -1 to 1."""
LOOKS = {
    MEASURED: (BLUE, "square"),
    LIMIT: (PALE_SKY, "square"),
    PREDICTED: (ORANGE, RANGE),
    MEDIAN: (BLUE, "circle"),
    P99: (RED, "diamond"),
    AT_LEAST: (RED, "triangle-right"),
}
ROW_HEIGHT, NAME_HEIGHT = 34, 20
LIMIT_HEIGHT, MEASURED_HEIGHT, RANGE_HEIGHT, RANGE_END = 24, 14, 4, 18
GAP, EDGE = 24, 12
TEXT_ROOM, TICK_ROOM = 10 * CHARACTER, 80
LEAST_RPS, SHORTEST_BAR = 1.0, 0.01
"""The shortest throughput axis, in rps; the shortest bar, as a fraction of the axis."""
LEAST_SPAN = 2.0
"""Smallest ratio between the ends of the latency axis."""
LONGEST_NAME, MOST_TICKS = 26, 4
LATENCIES = {MEDIAN: "median_ms", P99: "p99_ms"}


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One scenario. latencies: kind, ms and label; AT_LEAST marks a lower bound, because some
    requests were never answered. missing: the reason why there are no latencies."""

    name: str
    rate: str
    ok_rps: float
    limit_rps: float | None
    low: float | None
    high: float | None
    latencies: tuple[tuple[str, float, str], ...]
    missing: str


def render_answer(cells: Sequence[tuple[CellSummary, Scenario]]) -> RenderedChart | None:
    """Render the wide and the narrow chart; None if there is no cell."""
    return render_both("answer", partial(draw_answer, cells)) if cells else None


def draw_answer(
    cells: Sequence[tuple[CellSummary, Scenario]], width: float = WIDE, title: str = TITLE
) -> Chart:
    """Draw a row for each cell. From WIDE on, names and panels share a line; below WIDE the panels
    are stacked, with the names above the bars."""
    rows = [build_row(*each) for each in cells]
    panels = draw_panels(rows, width).properties(title=build_title(width, title))
    shared: Chart = panels.resolve_scale(color="shared", shape="shared")
    return shared


def draw_panels(rows: Sequence[AnswerRow], width: float) -> alt.HConcatChart | alt.VConcatChart:
    kinds = list_kinds(rows)
    if width >= WIDE:
        names = CHARACTER * min(LONGEST_NAME, max(len(each.name) for each in rows)) + EDGE
        room, height = (width - names - GAP) / 2, ROW_HEIGHT * len(rows)
        waits = draw_latencies(rows, build_legend(kinds, width - names), room)
        rates = draw_rates(rows, room, names=True)
        return alt.hconcat(rates.properties(height=height), waits.properties(height=height))
    room, height = width - 2 * EDGE, (ROW_HEIGHT + NAME_HEIGHT) * len(rows)
    above = write_names(rows)
    waits = draw_latencies(rows, build_legend(kinds, width), room, above)
    rates = draw_rates(rows, room, above)
    return alt.vconcat(rates.properties(height=height), waits.properties(height=height))


def write_names(rows: Sequence[AnswerRow]) -> alt.Chart:
    """Draw each row's name above its bars."""
    above = -(LIMIT_HEIGHT + NAME_HEIGHT) / 2
    mark = alt.MarkDef("text", align="left", dy=above, fontWeight="bold")
    names = alt.Chart(build_frame([(each.name,) for each in rows], "name"), mark=mark)
    return names.encode(x=alt.value(0), y=place_rows(rows), text="name:N")


def place_rows(rows: Sequence[AnswerRow], *, names: bool = False) -> alt.Y:
    places = alt.Y("name:N", title=None, sort=None).scale(domain=[each.name for each in rows])
    return places.axis(alt.Axis(labelLimit=CHARACTER * LONGEST_NAME) if names else None)


def build_row(cell: CellSummary, scenario: Scenario) -> AnswerRow:
    predicted, missing = cell.predicted, explain_missing_latency(cell)
    failed = f", {formats.percent(cell.failure_ratio)} failed" if has_many_failures(cell) else ""
    return AnswerRow(
        name=cell.scenario,
        rate=formats.rate(cell.ok_rps) + failed,
        ok_rps=cell.ok_rps or 0.0,
        limit_rps=measure_load_limit_rps(scenario, [cell]),
        low=predicted.low if predicted else None,
        high=predicted.high if predicted else None,
        latencies=() if missing else tuple(list_latencies(cell)),
        missing=missing,
    )


def list_latencies(cell: CellSummary) -> Iterator[tuple[str, float, str]]:
    """If users starve, count unanswered requests; yield a lower bound if only that is known."""
    for kind, key in LATENCIES.items():
        value, bound = get_value(cell, key), None
        if has_starved_users(cell):
            value, bound = (get_value(cell, each) for each in COUNTING_UNANSWERED[key])
        if value is not None:
            yield kind, value, format_latency(value)
        elif bound is not None:
            yield AT_LEAST, bound, f"> {format_latency(bound)}"


def format_latency(value_ms: float) -> str:
    if value_ms < 1000:
        return f"{formats.milliseconds(value_ms)} ms"
    return f"{formats.decimal(value_ms / 1000)} s"


def draw_rates(
    rows: Sequence[AnswerRow], room: float, *above: alt.Chart, names: bool = False
) -> alt.LayerChart:
    """Draw bars from 0, with the prediction across them. `room`: pixels for the bars and for the
    labels at their ends."""
    figures = "ok_rps", "limit_rps", "low", "high"
    found = [(each.name, each.rate, *(getattr(each, key) for key in figures)) for each in rows]
    bars = build_frame(found, "name rate", *figures)
    ends = bars.with_columns(end=pl.max_horizontal("ok_rps", "high", "limit_rps"))
    highest = max(*ends["end"], LEAST_RPS)
    texts = CHARACTER * ends["rate"].str.len_chars() + EDGE
    width = min((room - texts) / (ends["end"] / highest).clip(SHORTEST_BAR))
    base = alt.Chart(ends).encode(y=place_rows(rows, names=names))
    scale = alt.Scale(domain=[0, highest], nice=False)
    x = alt.X("ok_rps:Q", title="successful responses / s", scale=scale).axis(tickCount=MOST_TICKS)
    end = base.mark_tick(color=ORANGE, size=RANGE_END, thickness=RANGE_HEIGHT, opacity=1)
    layers = layer_charts(
        base.mark_bar(color=PALE_SKY, height=LIMIT_HEIGHT).encode(x="limit_rps:Q"),
        base.mark_bar(color=BLUE, height=MEASURED_HEIGHT).encode(x=x),
        base.mark_bar(color=ORANGE, height=RANGE_HEIGHT).encode(x="low:Q", x2="high:Q"),
        end.encode(x="low:Q"),
        end.encode(x="high:Q"),
        base.mark_text(align="left", dx=6).encode(x="end:Q", text="rate:N"),
        *above,
    )
    return layers.properties(width=min(room, width))


def draw_latencies(
    rows: Sequence[AnswerRow], legend: alt.Legend, room: float, *above: alt.Chart
) -> alt.LayerChart:
    """Draw the median and the 99th percentile on a logarithmic axis. Their labels stand on the
    outer sides, so that they never overlap."""
    y = place_rows(rows)
    points = tabulate_latencies(rows)
    base = alt.Chart(points).encode(x=build_latency_axis(points["ms"], room), y=y)
    line = base.mark_line(color="#888", strokeWidth=2).encode(detail="name:N")
    kinds = list_kinds(rows)
    colours, shapes = ([LOOKS[kind][place] for kind in kinds] for place in (0, 1))
    marks = base.mark_point(filled=True, size=110, opacity=1).encode(
        color=alt.Color("kind:N").scale(domain=list(kinds), range=colours).legend(legend),
        shape=alt.Shape("kind:N").scale(domain=list(kinds), range=shapes).legend(legend),
    )
    left, right = (
        alt.Chart(points.filter(side=side)).encode(x="ms:Q", y=y, text="text:N")
        for side in ("left", "right")
    )
    missing = build_frame([(each.name, each.missing) for each in rows if each.missing], "name text")
    why = alt.Chart(missing).encode(x=alt.value(6), y=y, text="text:N")
    layers = layer_charts(
        line,
        marks,
        left.mark_text(align="right", dx=-9),
        right.mark_text(align="left", dx=9),
        why.mark_text(align="left"),
        *above,
    )
    return layers.properties(width=room)


def tabulate_latencies(rows: Sequence[AnswerRow]) -> pl.DataFrame:
    """Return name, kind, text, side and ms; of two labels the first is on the left."""
    found = []
    for each in rows:
        last = len(each.latencies) - 1
        for place, (kind, ms, text) in enumerate(each.latencies):
            found.append((each.name, kind, text, "right" if place == last else "left", ms))
    return build_frame(found, "name kind text side", "ms")


def build_latency_axis(values: pl.Series, room: float) -> alt.X:
    """Build a logarithmic axis with room for a label on either side."""
    known = values.to_list() or [1.0, 1000.0]
    low, high = min(known), max(*known, LEAST_SPAN * min(known))
    more = (high / low) ** (TEXT_ROOM / (room - 2 * TEXT_ROOM))
    low, high = low / more, high * more
    most = int(room / TICK_ROOM)
    ticks = [*list_log_ticks(max(low, min(known) / 2), min(high, 2 * max(known)), most)]
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    return alt.X("ms:Q", title="latency, ms (logarithmic)", scale=scale).axis(values=ticks)


def list_kinds(rows: Sequence[AnswerRow]) -> list[str]:
    """List the kinds that the rows show, for one shared legend."""
    shown = {kind for each in rows for kind, *_ in each.latencies} | {MEASURED}
    shown |= {LIMIT} if any(each.limit_rps is not None for each in rows) else set()
    shown |= {PREDICTED} if any(each.low is not None for each in rows) else set()
    return [kind for kind in LOOKS if kind in shown]
