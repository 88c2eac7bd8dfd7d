"""The picture of an exercise: a bar each for what was guessed, predicted and measured."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.guide.lesson import ORDER, ExerciseMetric
from analysis.report.drawing import COLOURS, RenderedChart, render_chart
from analysis.report.predicted_curves import Layers

WIDTH, BAR_HEIGHT = 330, 22


def render_exercise_chart(title: str, found: Sequence[ExerciseMetric]) -> RenderedChart:
    says = "; ".join(
        f"{each.words}: " + ", ".join(f"{name} {value:.4g}" for name, value in each.bars)
        for each in found
    )
    panels = alt.vconcat(*map(draw_exercise_panel, found), spacing=12)
    return render_chart("workshop", title, says, panels)


def draw_exercise_panel(found: ExerciseMetric) -> Layers:
    rows = pl.DataFrame(found.bars, {"who": pl.String(), "value": pl.Float64()}, orient="row")
    base = alt.Chart(rows, title=found.words).encode(
        x=alt.X("value:Q", title=None),
        y=alt.Y("who:N", title=None, sort=list(ORDER)),
    )
    bar = base.mark_bar().encode(
        color=alt.Color("who:N", legend=None).scale(domain=list(ORDER), range=COLOURS[:3])
    )
    text = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=",.4~g"))
    return alt.layer(bar, text).properties(width=WIDTH, height=BAR_HEIGHT * len(found.bars))
