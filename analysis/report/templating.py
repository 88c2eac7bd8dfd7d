"""The templates of all pages, and what they hold besides: Vega for the browser, and its data.
Whatever stands in a template is escaped, unless it is our own drawing."""

import json
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import jinja2
import vl_convert
from markupsafe import Markup, escape

from analysis.report.answer_lines import split_lead
from analysis.report.table import format_value, list_headings, make_harmless, place_cells

if TYPE_CHECKING:
    from analysis.report.drawing import RenderedChart

READY = "window.vegaEmbed = vegaEmbed; document.dispatchEvent(new Event('vega-ready'));"


Page = tuple[str, Iterable["RenderedChart | None"]]
"""HTML, and the pictures in it, each of which is a file too."""


@cache
def create_html_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        finalize=lambda value: make_harmless(value) if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        each.__name__: each
        for each in (format_value, list_headings, place_cells, prose, split_lead)
    }
    return environment


def prose(text: str) -> Markup:
    """A sentence, with what stands between ` as code."""
    parts = [escape(each) for each in make_harmless(text).split("`")]
    if len(parts) % 2 == 0:  # a ` of its own
        return escape(text)
    coded = (
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )
    return Markup().join(coded)


@cache
def load_vega() -> str:
    """vega-embed with all that it needs, about 0.9 MB; it asks no network for anything."""
    return vl_convert.javascript_bundle(READY).replace("</script", "<\\/script")


def encode_script_json(content: object) -> str:
    """Fit to stand inside <script>: nothing in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
