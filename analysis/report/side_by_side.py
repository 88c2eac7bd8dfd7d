"""What the page shows of scenarios that answer the same question: a picture, and a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis.charts import COLOURS
from analysis.contrast import Contrast, Overall, Result, overall
from analysis.contrast_tables import FIGURES, MORE, MORE_RATIOS, RATIOS, ratio_text, remarks
from analysis.report.drawing import Drawn, drawn
from analysis.report.pictures import Picture

WIDTH, ROW_HEIGHT = 300, 14
HEADINGS = ("trials", *(figure.heading for figure in (*FIGURES, *MORE)))
RATIO_HEADINGS = tuple(heading for heading, _, _ in (*RATIOS, *MORE_RATIOS))


@dataclass(frozen=True, slots=True)
class Row:
    contender: str
    figures: tuple[str, ...]
    ratios: tuple[str, ...]
    category: str


@dataclass(frozen=True, slots=True)
class Table:
    subject: str
    base: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    picture: Drawn
    tables: tuple[Table, ...]
    overall: tuple[Overall, ...]


def side_by_side(found: Sequence[Contrast]) -> SideBySide | None:
    """None where nothing stands side by side."""
    if not found:
        return None
    return SideBySide(
        drawn(picture_of(found)), tuple(table_of(each) for each in found), overall(found)
    )


def table_of(contrast: Contrast) -> Table:
    return Table(
        contrast.subject,
        contrast.base.contender,
        tuple(row_of(each) for each in contrast.results),
        tuple(remarks(contrast)),
    )


def row_of(result: Result) -> Row:
    return Row(
        contender=result.contender,
        figures=(
            str(result.trials),
            *(figure.text(result.figures.get(figure.figure)) for figure in (*FIGURES, *MORE)),
        ),
        ratios=tuple(
            ratio_text(result.ratios[name]) if result.ratios else ""
            for _, name, _ in (*RATIOS, *MORE_RATIOS)
        ),
        category=result.category or "",
    )


def picture_of(found: Sequence[Contrast]) -> Picture:
    subjects = ", ".join(each.subject for each in found)
    rate = bars(found, "ok_rps", "good answers / s (logarithmic)")
    tail = bars(found, "p95_ms", "95 % took at most, ms (logarithmic)")
    return Picture(
        "contrast",
        "Side by side",
        f"Throughput and latency of each contender: {subjects}.",
        alt.vconcat(rate, tail, spacing=18),
    )


def bars(found: Sequence[Contrast], figure: str, title: str) -> alt.Chart:
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
