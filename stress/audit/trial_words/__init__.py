"""Options with which each server gets a trial's change, one server per file.

A module here that defines OPTIONS is a server; the file has its program's name. Each server uses
the last of two equal options, so the user's own option can stay.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from records.trial import TrialKind

Options = Mapping[TrialKind, str]


@cache
def load_options() -> Mapping[str, Options]:
    """Return all options by program name."""
    names = [each.name for each in iter_modules([str(Path(__file__).parent)])]
    return {name: import_module(f"{__name__}.{name}").OPTIONS for name in names}


def find_server(argv: Sequence[str]) -> str | None:
    """Return the first server named: as `gunicorn`, by its path, or as `-m gunicorn`."""
    names = (Path(word).name for word in argv)
    return next((name for name in names if name in load_options()), None)
