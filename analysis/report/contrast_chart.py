"""The picture of scenarios that answer the same question."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.report.charts import CaptionedChart
from analysis.report.drawing import RenderedChart, render_chart
from analysis.report.predicted_curves import COLOURS
from analysis.summary.contrast import Contrast

WIDTH, ROW_HEIGHT = 300, 14


def render_contrast_chart(found: Sequence[Contrast]) -> RenderedChart | None:
    """None where nothing stands side by side."""
    return render_chart(draw_contrasts(found)) if found else None


def draw_contrasts(found: Sequence[Contrast]) -> CaptionedChart:
    subjects = ", ".join(each.subject for each in found)
    rate = draw_contrast_bars(found, "ok_rps", "good answers / s (logarithmic)")
    tail = draw_contrast_bars(found, "p95_ms", "95 % took at most, ms (logarithmic)")
    return CaptionedChart(
        "contrast",
        "Side by side",
        f"Throughput and latency of each contender: {subjects}.",
        alt.vconcat(rate, tail, spacing=18),
    )


def draw_contrast_bars(found: Sequence[Contrast], figure: str, title: str) -> alt.Chart:
    """Logarithmic, since what is compared is a ratio: equal ratios are equal lengths. Such an axis
    has no zero, so these are points on lines and no bars that would begin somewhere."""
    names = list(dict.fromkeys(each.contender for one in found for each in one.results))
    rows = [
        (one.subject, each.contender, each.figures[figure])
        for one in found
        for each in one.results
        if each.figures.get(figure)
    ]
    schema = {"subject": pl.String(), "contender": pl.String(), "value": pl.Float64()}
    many = len(found) > 1
    height = ROW_HEIGHT * (len(names) * len(found) + 2 * many * len(found))
    chart = (
        alt.Chart(pl.DataFrame(rows, schema, orient="row"), width=WIDTH, height=height)
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=alt.X("value:Q", title=title).scale(type="log", nice=True),
            y=alt.Y("subject:N" if many else "contender:N", title=None, sort=None).axis(
                grid=True, labelLimit=190
            ),
            yOffset=alt.YOffset("contender:N", sort=names) if many else alt.Undefined,
            color=alt.Color("contender:N", sort=None).scale(
                domain=names, range=[COLOURS[n % len(COLOURS)] for n in range(len(names))]
            ),
        )
    )
    assert isinstance(chart, alt.Chart)
    return chart
