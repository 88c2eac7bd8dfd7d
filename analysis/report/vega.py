"""Vega for the browser, and data that can stand inside a page."""

import json
from functools import cache

import vl_convert

READY = "window.vegaEmbed = vegaEmbed; document.dispatchEvent(new Event('vega-ready'));"


@cache
def load_vega() -> str:
    """vega-embed with all that it needs, about 0.9 MB; it asks no network for anything."""
    return vl_convert.javascript_bundle(READY).replace("</script", "<\\/script")


def encode_script_json(content: object) -> str:
    """Fit to stand inside <script>: nothing in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
