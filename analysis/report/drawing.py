"""Shared parts of all charts, and their rendering to SVG and PNG by vl-convert, without browser or
network."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, groupby, islice, pairwise
from textwrap import wrap
from typing import TypeVar

import altair as alt
import polars as pl
import vl_convert

from analysis.report.ticks import list_log_ticks

WIDE, NARROW = 820, 345
"""Width in pixels of a picture as wide as the page, and of one for a phone or a column, where its
text must not shrink."""
FONT_SIZE, TITLE_SIZE = 13, 15
CHARACTER = 6.8
"""Pixels of an average character at FONT_SIZE."""
SYMBOL_WIDTH = 26
"""Pixels of a legend symbol and the space around it."""
AXIS_WIDTH = 48
"""Pixels of the numbers left of a panel, the same for all, so that panels align."""
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
"""Distinct for colour-blind readers too (Okabe and Ito, 2008). Black and grey are left out: they
disappear on a dark or a light background."""
SHAPES = ["circle", "diamond", "triangle-up", "square", "cross"]
"""Point shapes: the next one each time the colours repeat."""
BLUE, ORANGE, GREEN, PINK, RED, SKY = COLOURS
MOST_TOGETHER = len(COLOURS)
"""Lines on one axis."""
THINNEST, THICKER = 2.0, 1.6
"""Pixels of the line in front, and more for each line that it may cover."""
PALE_SKY = "rgba(86,180,233,0.35)"
ROOM = 1.2
Cell = TypeVar("Cell")
Chart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.FacetChart

PNG_SCALE = 2
_PLACES = re.compile(r'(?<= )(?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Rounding to hundredths of a pixel halves a picture's size. Labels keep all their digits."""
_IDENTITY = re.compile(r'(?<=id="|rl\(#)(clip|gradient_|marker)(\d+)')


@dataclass(frozen=True, slots=True)
class RenderedChart:
    """A picture as SVG that can share a page with others. narrow: the phone version of a picture
    that is as wide as the page."""

    name: str
    svg: str
    narrow: str | None = None

    def render_png(self) -> bytes:
        return vl_convert.svg_to_png(self.svg, scale=PNG_SCALE)


def style_chart(chart: Chart) -> Chart:
    """Set a white background for the files; the page makes it transparent."""
    plain = chart.configure(background="white", font="sans-serif", aria=False)  # the page labels it
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
    """Wrap a title, and the smaller notes below it, to a width in pixels."""
    letters = int(width / CHARACTER)
    title = wrap(text, int(letters * FONT_SIZE / TITLE_SIZE))
    lines = [line for each in notes for line in wrap(each, letters)]
    return alt.Title(title, subtitle=lines) if lines else alt.Title(title)


def title_panel(text: str) -> alt.Title:
    """Name a panel's values above it: a phone has no room at its side."""
    return alt.Title(text, fontSize=FONT_SIZE, fontWeight="normal", offset=4)


def build_frame(rows: Sequence[tuple[object, ...]], names: str, *figures: str) -> pl.DataFrame:
    """Build a frame. `names`: the text columns, separated by spaces."""
    schema = dict.fromkeys(names.split(), pl.String()) | dict.fromkeys(figures, pl.Float64())
    return pl.DataFrame(rows, schema, orient="row")


def build_name_colours(
    field: str, names: Sequence[str], palette: Sequence[str] = COLOURS
) -> alt.Color:
    """Assign a colour to each name; the colours repeat if there are more names."""
    colours = [*islice(cycle(palette), len(names))]
    return alt.Color(f"{field}:N").scale(domain=list(names), range=colours)


def build_name_widths(field: str, names: Sequence[str]) -> alt.StrokeWidth:
    """Make each line thinner than the one that it covers, so that equal lines show both."""
    ends = [THINNEST + THICKER * (len(names) - 1), THINNEST]
    return alt.StrokeWidth(f"{field}:N").scale(domain=list(names), range=ends).legend(None)


def build_name_shapes(field: str, names: Sequence[str]) -> alt.Shape:
    """Assign shapes so that names of the same colour differ."""
    shapes = [SHAPES[place // len(COLOURS) % len(SHAPES)] for place in range(len(names))]
    return alt.Shape(f"{field}:N").scale(domain=list(names), range=shapes)


def build_legend(names: Sequence[str], width: float, symbols: str = "") -> alt.Legend:
    """Fill as many columns as fit the width. `symbols`: a Vega symbol instead of the marks' own."""
    widths = [CHARACTER * len(each) + SYMBOL_WIDTH for each in names]
    columns = len(names)
    while columns > 1 and sum(max(widths[place::columns]) for place in range(columns)) > width:
        columns -= 1
    shape = symbols or alt.Undefined
    return alt.Legend(columns=columns, symbolOpacity=1, symbolType=shape)


def build_log_scale(values: Iterable[float], most: int) -> tuple[alt.Scale, list[float]]:
    """Build a scale around the positive values, with a margin, and at most `most` ticks."""
    known = [each for each in values if each > 0] or [1.0, 10.0]
    low, high = min(known) / ROOM, max(known) * ROOM
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    return scale, [*list_log_ticks(low, high, most)]


def layer_charts(*parts: alt.Chart) -> alt.LayerChart:
    """Stack the charts, the last in front."""
    found = alt.layer(*parts)
    assert isinstance(found, alt.LayerChart)  # none of the parts is a facet
    return found


def draw_uprights(field: str, values: Iterable[float | None]) -> alt.Chart:
    """Draw a vertical line at each known value."""
    places = pl.DataFrame({field: list(values)}, schema={field: pl.Float64}).drop_nulls()
    return alt.Chart(places).encode(x=f"{field}:Q")


def render_chart(name: str, chart: Chart) -> RenderedChart:
    """Render one width. `name`: base name of its files."""
    return RenderedChart(name, render_svg(name, chart))


def render_both(name: str, draw: Callable[[float], Chart]) -> RenderedChart:
    """Render the wide picture and its narrow version. `draw`: takes the width in pixels."""
    narrow = render_svg(f"{name}-narrow", draw(NARROW))
    return RenderedChart(name, render_svg(name, draw(WIDE)), narrow)


def render_groups(
    name: str, cells: Sequence[tuple[str, Cell]], draw: Callable[[Sequence[Cell], float], Chart]
) -> list[RenderedChart]:
    """Split the cells into pictures in which each has its own colour; none if there is no cell.
    `cells`: each with its group; groups are split up last."""
    is_one = len(cells) <= MOST_TOGETHER
    groups = [[*own] for _, own in groupby(cells, lambda each: "" if is_one else each[0])]
    together = [part for own in groups for part in split_cells([each for _, each in own])]
    return [
        render_both(f"{name}-{number}" if len(together) > 1 else name, partial(draw, part))
        for number, part in enumerate(together, start=1)
    ]


def split_cells(cells: Sequence[Cell]) -> list[Sequence[Cell]]:
    count = -(-len(cells) // MOST_TOGETHER)
    edges = (round(place * len(cells) / count) for place in range(count + 1))
    return [cells[first:end] for first, end in pairwise(edges)]


def render_svg(name: str, chart: Chart) -> str:
    """Render to SVG. `name`: prefix of its ids."""
    with alt.data_transformers.enable("default", max_rows=None):
        svg = vl_convert.vegalite_to_svg(style_chart(chart).to_json())
    return _PLACES.sub(lambda place: _DECIMALS.sub(r"\1", place[0]), prefix_svg_ids(svg, name))


def prefix_svg_ids(svg: str, name: str) -> str:
    """Make ids reproducible and unique on a page: vl-convert numbers them across pictures."""
    order = dict.fromkeys(match[0] for match in _IDENTITY.finditer(svg))
    fresh = {old: f"{name}-{number}" for number, old in enumerate(order)}
    return _IDENTITY.sub(lambda match: fresh[match[0]], svg)
