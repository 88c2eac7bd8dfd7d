"""The app that a server loads instead of the user's: theirs, with the probe in front.

Start the server with the folder on PYTHONPATH that holds the package `asgi_probe` alone, so that
no module of ours hides one of the user's, and name `asgi_probe.entry:app` as its app.

PROBE_TARGET  module:attribute of the ASGI app; `module:function()` for a factory
PROBE_DIR     where the journals go
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from .attach_report import AttachReport, describe_server
from .middleware import Probe
from .pool_calls import instrument_pool


def load_target(target: str) -> object:
    name, _, attribute = target.partition(":")
    if not name or not attribute:
        raise ValueError("give module:attribute")
    found: object = importlib.import_module(name)
    for part in attribute.removesuffix("()").split("."):
        found = getattr(found, part)
    if attribute.endswith("()") and callable(found):
        return found()
    return found


instrument_pool()  # before the target is imported: it may take names from anyio
try:
    target = load_target(os.environ["PROBE_TARGET"])
    if not callable(target):
        raise TypeError(f"a {type(target).__name__} is no ASGI app")
except (ImportError, AttributeError, ValueError, TypeError) as error:
    sys.exit(f"probe: cannot load {os.environ['PROBE_TARGET']!r}: {error}")
directory = Path(os.environ["PROBE_DIR"])
report = AttachReport(directory, target, describe_server("uvicorn"), __name__)
app = Probe(target, directory, Path.cwd(), report)
