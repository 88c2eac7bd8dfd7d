"""How each server is given what a trial changes: a server a file.

A module here that defines OPTIONS is a server; its file's name is its program's. Of two equal
options each server takes the last one, so that what the user typed may stay.
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
    """All that there are, by the name of the program."""
    names = [each.name for each in iter_modules([str(Path(__file__).parent)])]
    return {name: import_module(f"{__name__}.{name}").OPTIONS for name in names}


def find_server(argv: Sequence[str]) -> str | None:
    """The first word that names one: `gunicorn`, its path, or `-m gunicorn`."""
    names = (Path(word).name for word in argv)
    return next((name for name in names if name in load_options()), None)
