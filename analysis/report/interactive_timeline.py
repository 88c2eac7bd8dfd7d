"""The timeline of a cell as a picture and as an interactive chart: a chart without rows, and the
rows."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import cast

import altair as alt
import polars as pl

from analysis.measures.window import Window
from analysis.report.drawing import (
    BLUE,
    GREEN,
    NARROW,
    ORANGE,
    PINK,
    RED,
    SKY,
    WIDE,
    build_legend,
    build_title,
    style_chart,
)
from analysis.report.timeline import KINDS, WAITING, Timeline
from scenarios.units import Second

BARS = "bars"
"""Name of the data set by which the page passes the rows to the chart."""
LENGTHS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 20.0)

KIND_COLOURS = dict(zip(KINDS, (ORANGE, BLUE, SKY, RED, PINK, GREEN), strict=True))
ROW_HEIGHT, TALL_ROW_HEIGHT, FEW_ROWS = 9, 16, 8
LABEL_WIDTH = 84
GROUPS = {"loop": "event loop", "thread": "threads", "await": "awaiting"}
"""Label at the first row of each group, by the first word of its row names."""
SHOWN = [cast("float", alt.ExprRef(each)) for each in ("begin_s", "begin_s + length_s")]
TOOLTIP = [
    alt.Tooltip("kind:N", title="state"),
    alt.Tooltip("what:N", title="route or code"),
    alt.Tooltip("start_s:Q", title="start, s", format=".3f"),
    alt.Tooltip("took_ms:Q", title="duration, ms", format=",.1f"),
]


def build_slices(found: Timeline, name: str, identity: str, shown: Window) -> dict[str, object]:
    """Build the page's data of a cell. spec: a Vega-Lite chart with the parameters begin_s and
    length_s, which initially show `shown`. rows: see `encode_rows`."""
    length_s = round(shown.length_s, 3)
    chart = style_chart(draw_timeline(found, name, shown, alt.NamedData(name=BARS)))
    lengths = {each for each in LENGTHS_S if each <= found.span.length_s} | {length_s}
    return {
        "identity": identity,
        "spec": chart.to_dict(),
        "rows": encode_rows(found),
        "first_s": found.span.start_s,
        "last_s": found.span.end_s,
        "begin_s": shown.start_s,
        "length_s": length_s,
        "lengths_s": sorted(lengths),
    }


def draw_timeline(
    found: Timeline, name: str, shown: Window, bars: alt.NamedData | pl.DataFrame
) -> alt.LayerChart:
    """Draw a slice, which a page can move over `bars`. `name`: of the cell."""
    kinds = [kind for kind in KINDS if kind in set(found.bars["kind"])]
    groups = [list(rows) for _, rows in groupby(found.rows, key=get_word)]
    places = [row for number, rows in enumerate(groups) for row in (*rows, f"gap {number}")][:-1]
    labels = {rows[0]: GROUPS[get_word(rows[0])] for rows in groups}
    rows = alt.Y("row:N", title=None).scale(domain=places).axis(build_row_axis(labels))
    chart = draw_bar_layers(bars, rows, kinds, "seconds since the cell began", shown)
    height = TALL_ROW_HEIGHT if len(found.rows) <= FEW_ROWS else ROW_HEIGHT
    title = build_title(NARROW, name, "Threads, event loop and requests")
    return chart.properties(
        width=NARROW - LABEL_WIDTH, height=height * len(places) + 4, title=title
    )


def get_word(row: str) -> str:
    return row.split()[0]


def build_row_axis(labels: Mapping[str, str]) -> alt.Axis:
    """Label only some rows: they are too low for a label each."""
    chosen = f"{json.dumps(labels)}[datum.value] || ''"
    return alt.Axis(labelExpr=chosen, labelOverlap=False, ticks=False, domain=False, grid=False)


def build_live_spec(shown_s: Second) -> dict[str, object]:
    """Build a chart of the last seconds, for rows that come and go and carry their `place`. Labels
    stand at the second row, clear of the event loop's label above."""
    labels = {"loop": GROUPS["loop"], "thread   2": GROUPS["thread"], "await   2": GROUPS["await"]}
    rows = alt.Y("row:N", title=None).sort(field="place", op="min").axis(build_row_axis(labels))
    bars, shown = alt.NamedData(name=BARS), Window(-shown_s, 0.0)
    chart = draw_bar_layers(bars, rows, KINDS, "seconds ago", shown)
    sized = style_chart(chart.properties(width=WIDE - LABEL_WIDTH, height=alt.Step(ROW_HEIGHT)))
    return cast("dict[str, object]", sized.to_dict())


def draw_bar_layers(
    data: alt.NamedData | pl.DataFrame,
    rows: alt.Y,
    kinds: Sequence[str],
    title: str,
    shown: Window,
) -> alt.LayerChart:
    """Draw the bars of the slice that starts at begin_s and lasts length_s; a page may change
    both."""
    scale = alt.Scale(domain=SHOWN, nice=False)
    base = (
        alt.Chart(data)
        .transform_filter("datum.end_s > begin_s && datum.start_s < begin_s + length_s")
        .transform_calculate(
            shown_from_s="max(datum.start_s, begin_s)",
            shown_to_s="min(datum.end_s, begin_s + length_s)",
            took_ms="1000 * (datum.end_s - datum.start_s)",
        )
        .encode(
            x=alt.X("shown_from_s:Q", title=title, scale=scale).axis(tickCount=5),
            x2="shown_to_s:Q",
            y=rows,
            color=alt.Color("kind:N", title=None)
            .scale(domain=list(kinds), range=[KIND_COLOURS[kind] for kind in kinds])
            .legend(build_legend(kinds, NARROW - LABEL_WIDTH)),
            tooltip=TOOLTIP,
        )
    )
    return layer_kinds(base).add_params(
        alt.param(name="begin_s", value=shown.start_s),
        alt.param(name="length_s", value=shown.length_s),
    )


def layer_kinds(base: alt.Chart) -> alt.LayerChart:
    """Draw waits thin and pale, behind the other bars."""
    waits = base.transform_filter(alt.datum.kind == WAITING).mark_bar(
        height={"band": 0.3}, opacity=0.25
    )
    bars = base.transform_filter(alt.datum.kind != WAITING).mark_bar(
        height={"band": 0.8}, stroke="white", strokeWidth=0.4
    )
    found = alt.layer(waits, bars)
    assert isinstance(found, alt.LayerChart)
    return found


def encode_rows(found: Timeline) -> dict[str, object]:
    """Encode each bar as a list: indexes of its row, kind and word, then start and end in ms since
    the start of the span."""
    words = sorted(set(found.bars["what"]))
    names = {"row": found.rows, "kind": KINDS, "what": words}
    places = (pl.col(each).cast(pl.Enum(known)).to_physical() for each, known in names.items())
    times_ms = (pl.col("start_s", "end_s") - found.span.start_s) * 1000
    bars = found.bars.select(*places, times_ms.round(1)).rows()
    return {"rows": found.rows, "kinds": KINDS, "words": words, "bars": bars}
