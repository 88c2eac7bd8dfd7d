"""What all charts share, and how one becomes SVG and PNG: by vl-convert, with no browser and no
network."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import altair as alt
import polars as pl
import vl_convert

WIDTH, PANEL_HEIGHT, ROW_HEIGHT = 330, 62, 9
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000"]
"""Told apart by colour-blind people too (Okabe and Ito, 2008). Grey would be lost in light and
dark."""
BLUE, ORANGE, GREEN, PINK, RED, SKY, BLACK = COLOURS
ROOM = 1.2
Chart = alt.Chart | alt.LayerChart | alt.VConcatChart | alt.FacetChart

PNG_SCALE = 2
_PLACES = re.compile(r'(?<= )(?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Hundredths of a pixel are enough, and half of the text of a picture. What is read stays whole."""
_IDENTITY = re.compile(r'(?<=id="|rl\(#)(clip|gradient_|marker)(\d+)')


@dataclass(frozen=True, slots=True)
class RenderedChart:
    """A picture as SVG, fit to stand in a page beside others."""

    name: str
    svg: str

    def render_png(self) -> bytes:
        return vl_convert.svg_to_png(self.svg, scale=PNG_SCALE)


def style_chart(chart: Chart) -> Chart:
    """White behind the files; the page shows its own background through."""
    styled: Chart = (
        chart.configure(background="white", font="sans-serif", aria=False)  # the page tells it
        .configure_view(strokeOpacity=0.25)
        .configure_axis(gridOpacity=0.5, titleFontWeight="normal")
        .configure_legend(orient="top", title=None, labelLimit=0)
    )
    return styled


def separate_colours(parts: Iterable[Chart], spacing: int) -> Chart:
    """One below the other, each with colours of its own."""
    found: Chart = alt.vconcat(*parts, spacing=spacing).resolve_scale(color="independent")
    return found


def build_name_colours(
    field: str, names: Sequence[str], palette: Sequence[str] = COLOURS
) -> alt.Color:
    """A colour for each, and once more from the first where there are more names."""
    colours = [*islice(cycle(palette), len(names))]
    return alt.Color(f"{field}:N").scale(domain=list(names), range=colours)


def build_log_scale(values: Iterable[float]) -> alt.Scale:
    """Around these values, with a little room."""
    known = list(values)
    domain = [min(known) / ROOM, max(known) * ROOM] if known else [1.0, 10.0]
    return alt.Scale(type="log", domain=domain, nice=False)


def draw_uprights(field: str, values: Iterable[float | None]) -> alt.Chart:
    """At each value that is known."""
    places = pl.DataFrame({field: list(values)}, schema={field: pl.Float64}).drop_nulls()
    return alt.Chart(places).encode(x=f"{field}:Q")


def render_chart(name: str, chart: Chart) -> RenderedChart:
    """`name`: of its files."""
    with alt.data_transformers.enable("default", max_rows=None):
        svg = vl_convert.vegalite_to_svg(style_chart(chart).to_json())
    small = _PLACES.sub(lambda place: _DECIMALS.sub(r"\1", place[0]), prefix_svg_ids(svg, name))
    return RenderedChart(name, small)


def prefix_svg_ids(svg: str, name: str) -> str:
    """Names inside a picture are counted on by whatever drew before it, and a page has one space of
    names for all of its pictures."""
    order = dict.fromkeys(match[0] for match in _IDENTITY.finditer(svg))
    fresh = {old: f"{name}-{number}" for number, old in enumerate(order)}
    return _IDENTITY.sub(lambda match: fresh[match[0]], svg)
