"""The templates of all pages. Whatever stands in them is escaped, unless it is our own drawing."""

from functools import cache

import jinja2

from analysis.report.render import list_headings, place_cells
from analysis.report.table import format_value


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
