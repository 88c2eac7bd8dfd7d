"""The templates of all pages. Whatever stands in them is escaped, unless it is our own drawing."""

from functools import cache

import jinja2


@cache
def create_html_environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
