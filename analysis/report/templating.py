"""The templates of all pages, with Vega for the browser and its data. Every value in a template is
escaped, except the project's own pictures."""

import json
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import jinja2
import vl_convert
from markupsafe import Markup, escape

from analysis.report.answer_lines import split_lead
from analysis.report.table import format_value, list_headings, place_cells
from analysis.report.terms import list_terms
from records.harmless import make_code_harmless, make_harmless

if TYPE_CHECKING:
    from analysis.report.drawing import RenderedChart

READY = "window.vegaEmbed = vegaEmbed; document.dispatchEvent(new Event('vega-ready'));"


Page = tuple[str, Iterable["RenderedChart | None"]]
"""HTML, and its pictures, each of which is also saved as a file."""


@cache
def create_html_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        finalize=lambda value: make_code_harmless(value) if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        each.__name__: each
        for each in (format_value, list_headings, list_terms, place_cells, prose, split_lead)
    }
    return environment


def prose(text: str) -> Markup:
    """Return a sentence with the text between backticks as code."""
    parts = [escape(each) for each in make_harmless(text).split("`")]
    if len(parts) % 2 == 0:  # a single, unpaired `
        return escape(text)
    coded = (
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )
    return Markup().join(coded)


@cache
def load_vega() -> str:
    """Return vega-embed with all its dependencies, about 0.9 MB; it needs no network."""
    return vl_convert.javascript_bundle(READY).replace("</script", "<\\/script")


def encode_script_json(content: object) -> str:
    """Encode JSON for a <script> element, so that no text in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
