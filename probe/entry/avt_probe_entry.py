"""The app that a server loads instead of the user's: his own, with the probe in front.

Only this file's folder is put on the path (its name is ours alone), not the repository, whose
`app` or `stress` could hide a module of the user's. So the probe is loaded from its files,
under a private name.

PROBE_TARGET  module:attribute of the ASGI app; `module:function()` for a factory
PROBE_DIR     where the journals go
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType


def load_probe() -> ModuleType:
    home = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        "avt_probe", home / "__init__.py", submodule_search_locations=[str(home)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["avt_probe"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


probe = load_probe()  # before the target: it must wrap anyio before others take names from it
try:
    target = load_target(os.environ["PROBE_TARGET"])
    if not callable(target):
        raise TypeError(f"a {type(target).__name__} is no ASGI app")
except (ImportError, AttributeError, ValueError, TypeError) as error:
    sys.exit(f"probe: cannot load {os.environ['PROBE_TARGET']!r}: {error}")
app = probe.Probe(target, Path(os.environ["PROBE_DIR"]), Path.cwd())
