"""From a chart to SVG and PNG, by vl-convert: no browser and no network."""

import re
from dataclasses import dataclass

import altair as alt
import vl_convert

from analysis.report.charts import CaptionedChart, style_chart

PNG_SCALE = 2
_PLACES = re.compile(r'(?<= )(?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Hundredths of a pixel are enough, and half of the text of a picture. What is read stays whole."""
_IDENTITY = re.compile(r'(?<=id="|rl\(#)(clip|gradient_|marker)(\d+)')


@dataclass(frozen=True, slots=True)
class RenderedChart:
    """A picture as SVG, fit to stand in a page beside others."""

    name: str
    title: str
    says: str
    svg: str

    def render_png(self) -> bytes:
        return vl_convert.svg_to_png(self.svg, scale=PNG_SCALE)


def render_chart(picture: CaptionedChart) -> RenderedChart:
    with alt.data_transformers.enable("default", max_rows=None):
        svg = vl_convert.vegalite_to_svg(style_chart(picture.chart).to_json())
    small = _PLACES.sub(
        lambda place: _DECIMALS.sub(r"\1", place[0]), prefix_svg_ids(svg, picture.name)
    )
    return RenderedChart(picture.name, picture.title, picture.says, small)


def prefix_svg_ids(svg: str, name: str) -> str:
    """Names inside a picture are counted on by whatever drew before it, and a page has one space of
    names for all of its pictures."""
    order = dict.fromkeys(match[0] for match in _IDENTITY.finditer(svg))
    fresh = {old: f"{name}-{number}" for number, old in enumerate(order)}
    return _IDENTITY.sub(lambda match: fresh[match[0]], svg)
