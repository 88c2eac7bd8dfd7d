"""The picture of an exercise: a bar each for what was guessed, foretold and measured."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.charts import COLOURS, Layers
from analysis.guide.lesson import MEASURED, THEORY, YOURS, Compared
from analysis.report.drawing import Drawn, drawn
from analysis.report.pictures import Picture

ORDER = [YOURS, THEORY, MEASURED]
WIDTH, BAR_HEIGHT = 330, 22


def lesson_picture(title: str, found: Sequence[Compared]) -> Drawn:
    says = "; ".join(
        f"{each.what.words}: " + ", ".join(f"{name} {value:.4g}" for name, value in each.bars)
        for each in found
    )
    return drawn(Picture("workshop", title, says, alt.vconcat(*map(panel, found), spacing=12)))


def panel(found: Compared) -> Layers:
    rows = pl.DataFrame(found.bars, {"who": pl.String(), "value": pl.Float64()}, orient="row")
    base = alt.Chart(rows, title=found.what.words).encode(
        x=alt.X("value:Q", title=None),
        y=alt.Y("who:N", title=None, sort=ORDER),
    )
    bar = base.mark_bar().encode(
        color=alt.Color("who:N", legend=None).scale(domain=ORDER, range=COLOURS[:3])
    )
    text = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=",.4~g"))
    return alt.layer(bar, text).properties(width=WIDTH, height=BAR_HEIGHT * len(found.bars))
