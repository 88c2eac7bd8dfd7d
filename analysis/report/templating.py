"""The templates of all pages. Whatever stands in them is escaped, unless it is our own drawing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import jinja2

from analysis.report.render import list_headings, place_cells
from analysis.report.table import format_value

if TYPE_CHECKING:
    from analysis.report.drawing import RenderedChart


@dataclass(frozen=True, slots=True)
class Page:
    """The page, and the pictures in it, each of which is a file too."""

    html: str
    pictures: tuple["RenderedChart", ...]


def render_page(
    template: str, pictures: "Iterable[RenderedChart | None]", context: Mapping[str, object]
) -> Page:
    html = create_html_environment().get_template(template).render(context)
    return Page(html, tuple(each for each in pictures if each is not None))


@cache
def create_html_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        each.__name__: each for each in (format_value, list_headings, place_cells)
    }
    return environment
