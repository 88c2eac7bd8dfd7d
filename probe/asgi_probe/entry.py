"""The app that a server loads in place of the user's app: the probe in front of it.

Start the server with `asgi_probe.entry:app` as its app. Put only the folder of the package
`asgi_probe` on PYTHONPATH, so that no other module here hides one of the user's.

PROBE_TARGET  module:attribute of the ASGI app; `module:function()` for a factory
PROBE_DIR     folder for the journals
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
        raise ValueError("expected module:attribute, such as main:app")
    found: object = importlib.import_module(name)
    for part in attribute.removesuffix("()").split("."):
        found = getattr(found, part)
    if attribute.endswith("()") and callable(found):
        return found()
    return found


instrument_pool()  # before the target is imported: it may import names from anyio
try:
    target = load_target(os.environ["PROBE_TARGET"])
    if not callable(target):
        raise TypeError(f"a {type(target).__name__} is not an ASGI app")
except (ImportError, AttributeError, ValueError, TypeError) as error:
    sys.exit(f"probe: cannot load {os.environ['PROBE_TARGET']!r}: {error}")
directory = Path(os.environ["PROBE_DIR"])
report = AttachReport(directory, target, describe_server("uvicorn"), __name__)
app = Probe(target, directory, Path.cwd())
app.report_to(report)
