"""What all charts share, and how one becomes SVG and PNG: by vl-convert, with no browser and no
network."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, pairwise
from textwrap import wrap
from typing import TypeVar

import altair as alt
import polars as pl
import vl_convert

from analysis.report.ticks import list_log_ticks

WIDE, NARROW = 820, 345
"""Pixels of a whole picture: of one that has the page's width, and of one for a phone or a column,
where its text is shown no smaller than it is drawn."""
FONT_SIZE, TITLE_SIZE = 13, 15
CHARACTER = 6.8
"""Pixels of an average letter of that size."""
SYMBOL_WIDTH = 26
"""Pixels of a legend's symbol, with the space around it."""
AXIS_WIDTH = 48
"""Pixels of the numbers at the left of a panel: the panels of a picture begin at one place."""
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
"""Colour-blind people tell them apart too (Okabe and Ito, 2008). Their black and a grey would be
lost in the dark or in the light."""
SHAPES = ["circle", "diamond", "triangle-up", "square", "cross"]
"""Of points: one for each turn of the colours, where there are more names than these."""
BLUE, ORANGE, GREEN, PINK, RED, SKY = COLOURS
MOST_TOGETHER = len(COLOURS)
"""Lines on one axis."""
PALE_SKY = "rgba(86,180,233,0.35)"
ROOM = 1.2
Cell = TypeVar("Cell")
Chart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.FacetChart

PNG_SCALE = 2
_PLACES = re.compile(r'(?<= )(?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Hundredths of a pixel are enough, and half of the text of a picture. What is read stays whole."""
_IDENTITY = re.compile(r'(?<=id="|rl\(#)(clip|gradient_|marker)(\d+)')


@dataclass(frozen=True, slots=True)
class RenderedChart:
    """A picture as SVG, fit to stand in a page among others. narrow: the same for a phone, of one
    that has the page's width elsewhere."""

    name: str
    svg: str
    narrow: str | None = None

    def render_png(self) -> bytes:
        return vl_convert.svg_to_png(self.svg, scale=PNG_SCALE)


def style_chart(chart: Chart) -> Chart:
    """White behind the files; the page shows its own background through."""
    plain = chart.configure(background="white", font="sans-serif", aria=False)  # the page tells it
    axes = plain.configure_axis(
        gridOpacity=0.5,
        titleFontWeight="normal",
        labelFontSize=FONT_SIZE,
        titleFontSize=FONT_SIZE,
        labelOverlap="greedy",
        labelFlush=False,
    )
    legend = {"orient": "top", "offset": 6, "labelLimit": 0, "symbolSize": 110}
    title = {"anchor": "start", "frame": "bounds", "offset": 8, "fontSize": TITLE_SIZE}
    styled: Chart = (
        axes.configure_axisX(labelSeparation=6)
        .configure_axisLeft(minExtent=AXIS_WIDTH)
        .configure_view(strokeOpacity=0.25)
        .configure_legend(title=None, labelFontSize=FONT_SIZE, **legend)
        .configure_text(fontSize=FONT_SIZE)
        .configure_title(subtitleFontSize=FONT_SIZE, **title)
    )
    return styled


def build_title(width: float, text: str, *notes: str) -> alt.Title:
    """At most so wide: a title of a few lines, and sentences below it in smaller letters."""
    letters = int(width / CHARACTER)
    title = wrap(text, int(letters * FONT_SIZE / TITLE_SIZE))
    lines = [line for each in notes for line in wrap(each, letters)]
    return alt.Title(title, subtitle=lines) if lines else alt.Title(title)


def title_panel(text: str) -> alt.Title:
    """What its values are: above it, since a phone has no room at its side."""
    return alt.Title(text, fontSize=FONT_SIZE, fontWeight="normal", offset=4)


def build_frame(rows: Sequence[tuple[object, ...]], names: str, *figures: str) -> pl.DataFrame:
    """`names`: the columns that are text, separated by spaces."""
    schema = dict.fromkeys(names.split(), pl.String()) | dict.fromkeys(figures, pl.Float64())
    return pl.DataFrame(rows, schema, orient="row")


def build_name_colours(
    field: str, names: Sequence[str], palette: Sequence[str] = COLOURS
) -> alt.Color:
    """A colour for each, and once more from the first where there are more names."""
    colours = [*islice(cycle(palette), len(names))]
    return alt.Color(f"{field}:N").scale(domain=list(names), range=colours)


def build_name_shapes(field: str, names: Sequence[str]) -> alt.Shape:
    """So that names of one colour differ."""
    shapes = [SHAPES[place // len(COLOURS) % len(SHAPES)] for place in range(len(names))]
    return alt.Shape(f"{field}:N").scale(domain=list(names), range=shapes)


def build_legend(names: Sequence[str], width: float, symbols: str = "") -> alt.Legend:
    """In as many columns as the width has room for. `symbols`: of Vega, where not the marks'."""
    widths = [CHARACTER * len(each) + SYMBOL_WIDTH for each in names]
    columns = len(names)
    while columns > 1 and sum(max(widths[place::columns]) for place in range(columns)) > width:
        columns -= 1
    shape = symbols or alt.Undefined
    return alt.Legend(columns=columns, symbolOpacity=1, symbolType=shape)


def build_log_scale(values: Iterable[float], most: int) -> tuple[alt.Scale, list[float]]:
    """Around those of these values that are positive, with a little room; and at most so many
    ticks."""
    known = [each for each in values if each > 0] or [1.0, 10.0]
    low, high = min(known) / ROOM, max(known) * ROOM
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    return scale, [*list_log_ticks(low, high, most)]


def layer_charts(*parts: alt.Chart) -> alt.LayerChart:
    """One upon the other, the last in front."""
    found = alt.layer(*parts)
    assert isinstance(found, alt.LayerChart)  # none of them is a facet
    return found


def draw_uprights(field: str, values: Iterable[float | None]) -> alt.Chart:
    """At each value that is known."""
    places = pl.DataFrame({field: list(values)}, schema={field: pl.Float64}).drop_nulls()
    return alt.Chart(places).encode(x=f"{field}:Q")


def render_chart(name: str, chart: Chart) -> RenderedChart:
    """`name`: of its files."""
    return RenderedChart(name, render_svg(name, chart))


def render_both(name: str, draw: Callable[[float], Chart]) -> RenderedChart:
    """As wide as the page and, for a phone, narrow. `draw`: by the width in pixels."""
    narrow = render_svg(f"{name}-narrow", draw(NARROW))
    return RenderedChart(name, render_svg(name, draw(WIDE)), narrow)


def render_groups(
    name: str, cells: Sequence[Cell], draw: Callable[[Sequence[Cell], float], Chart]
) -> list[RenderedChart]:
    """Pictures of no more cells each than have colours of their own; none of no cell."""
    count = -(-len(cells) // MOST_TOGETHER)
    edges = [round(place * len(cells) / count) for place in range(count + 1)] if count else []
    return [
        render_both(f"{name}-{number}" if count > 1 else name, partial(draw, cells[first:end]))
        for number, (first, end) in enumerate(pairwise(edges), start=1)
    ]


def render_svg(name: str, chart: Chart) -> str:
    """`name`: what its ids begin with."""
    with alt.data_transformers.enable("default", max_rows=None):
        svg = vl_convert.vegalite_to_svg(style_chart(chart).to_json())
    return _PLACES.sub(lambda place: _DECIMALS.sub(r"\1", place[0]), prefix_svg_ids(svg, name))


def prefix_svg_ids(svg: str, name: str) -> str:
    """Names inside a picture are counted on by whatever drew before it, and a page has one space of
    names for all of its pictures."""
    order = dict.fromkeys(match[0] for match in _IDENTITY.finditer(svg))
    fresh = {old: f"{name}-{number}" for number, old in enumerate(order)}
    return _IDENTITY.sub(lambda match: fresh[match[0]], svg)
