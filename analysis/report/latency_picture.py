"""Latency charts: all quantiles of several cells on one axis, and a histogram for each cell."""

from collections.abc import Sequence
from math import log

import altair as alt
import polars as pl

from analysis.report import latency_shape as shape
from analysis.report.drawing import (
    AXIS_WIDTH,
    BLUE,
    ORANGE,
    RED,
    WIDE,
    Chart,
    build_legend,
    build_log_scale,
    build_name_colours,
    build_title,
    title_panel,
)

QUANTILES_HEIGHT, SPREAD_HEIGHT, EDGE = 250, 44, 12
BINS = 48
NINES_LABELS = "['0 %', '90 %', '99 %', '99.9 %', '99.99 %'][datum.value]"
SHORTEST_MS = 0.01
CURVES = {
    shape.ANSWERED: ([1, 0], ""),
    shape.COUNTING: ([5, 3], "Dashed: unanswered requests are counted (Kaplan–Meier)."),
    shape.FROM_SEND: (
        [2, 2],
        "Dotted: measured from when a request was sent, not from when it was due.",
    ),
}
"""Dash pattern of each curve, and its legend."""
FATES = {shape.GOOD: BLUE, shape.FAILED: RED, shape.OPEN: ORANGE}
COUNTED = "An unanswered request counts with its age at the end."
MOST_TICKS = 6


def draw_quantiles(found: Sequence[tuple[str, pl.DataFrame]], width: float = WIDE) -> Chart:
    """Draw each name's curves of `compute_distribution` in one colour."""
    rows = pl.concat(curves.with_columns(name=pl.lit(name)) for name, curves in found)
    present = set(rows["series"])
    notes = [said for series, (_, said) in CURVES.items() if said and series in present]
    names = [name for name, _ in found]
    colours = build_name_colours("name", names).legend(build_legend(names, width))
    chart = draw_quantile_lines(rows, colours).properties(
        width=width - AXIS_WIDTH - EDGE, height=QUANTILES_HEIGHT
    )
    title = build_title(width, "Latency quantiles", *notes)
    return chart.properties(title=title)


def draw_quantile_lines(rows: pl.DataFrame, colours: alt.Color) -> alt.Chart:
    finest = max(rows["nines"], default=1.0)
    shares = (
        alt.X("nines:Q", title="share of requests that were faster")
        .scale(domain=[0, finest], nice=False)
        .axis(values=[0, 1, 2, 3, 4], labelExpr=NINES_LABELS)
    )
    scale, ticks = build_log_scale(rows["latency_ms"].clip(SHORTEST_MS), MOST_TICKS)
    axis = alt.Y("latency_ms:Q", title="latency, ms (logarithmic)", scale=scale).axis(values=ticks)
    dashes = alt.StrokeDash("series:N", legend=None)
    dashes = dashes.scale(domain=list(CURVES), range=[dash for dash, _ in CURVES.values()])
    lines = alt.Chart(rows, mark=alt.MarkDef("line", strokeWidth=2))
    return lines.encode(x=shares, y=axis, color=colours, strokeDash=dashes)


def draw_spreads(found: Sequence[tuple[str, pl.DataFrame]], width: float = WIDE) -> Chart:
    """Draw a histogram for each name, all on one axis."""
    together = pl.concat(spread for _, spread in found)
    present = set(together["what"])
    fates = [each for each in FATES if each in present]
    colours = build_name_colours("what", fates, [FATES[each] for each in fates])
    colours = colours.legend(build_legend(fates, width) if fates != [shape.GOOD] else None)
    edges = build_bins(together)
    drawn = []
    for place, (name, spread) in enumerate(found, start=1):
        bars = draw_spread(pile_up(spread, edges), edges, is_last=place == len(found))
        sized = bars.encode(color=colours).properties(width=width - AXIS_WIDTH - EDGE)
        drawn.append(sized.properties(title=title_panel(name), height=SPREAD_HEIGHT))
    notes = [COUNTED] if shape.OPEN in fates else []
    title = build_title(width, "Latency distribution", *notes)
    spreads: Chart = alt.vconcat(*drawn, spacing=4, title=title)
    return spreads


def build_bins(spreads: pl.DataFrame) -> list[float]:
    """Return edges of equal ratio, from the fastest to the slowest request."""
    low, high = spreads.select(pl.min("from_ms"), pl.max("to_ms")).row(0)
    return [low * (high / low) ** (place / BINS) for place in range(BINS + 1)]


def pile_up(spread: pl.DataFrame, edges: Sequence[float]) -> pl.DataFrame:
    """Stack the kinds in each bin: what, from_ms, to_ms, bottom, top."""
    middles = (pl.col("from_ms") * pl.col("to_ms")).sqrt()
    places = middles.log().sub(log(edges[0])).truediv(log(edges[-1] / edges[0]) / BINS)
    counted = (
        spread.with_columns(bin=places.floor().clip(0, BINS - 1).cast(pl.Int64))
        .group_by("what", "bin", maintain_order=True)
        .agg(pl.col("requests").sum())
    )
    top = pl.col("requests").cum_sum().over("bin")
    limits = pl.Series(edges)
    return counted.with_columns(top=top, bottom=top - pl.col("requests")).select(
        "what",
        "bottom",
        "top",
        from_ms=pl.lit(limits).gather(pl.col("bin")),
        to_ms=pl.lit(limits).gather(pl.col("bin") + 1),
    )


def draw_spread(piled: pl.DataFrame, edges: Sequence[float], *, is_last: bool) -> alt.Chart:
    scale, ticks = build_log_scale([edges[0], edges[-1]], MOST_TICKS)
    axis = alt.X("from_ms:Q", title="latency, ms (logarithmic)" if is_last else None, scale=scale)
    highest = max(piled["top"])
    return alt.Chart(piled, mark="rect").encode(
        x=axis.axis(values=ticks, labels=is_last, ticks=is_last),
        x2="to_ms",
        y=alt.Y("bottom:Q", title=None).scale(domain=[0, highest]).axis(values=[0, highest]),
        y2="top",
    )
