"""Wraps the libraries that the plug-in watches: those that are imported now, and others once the
tests import them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from asgi_probe.frameworks import RESOLVERS
from asgi_probe.import_hook import ModuleFinder

from .requests import APPS, note_requests
from .token_waits import BACKEND, token_waits
from .unseen_loops import UVLOOP, note_unseen_loops

log = logging.getLogger("probe")
MODULES = (UVLOOP, BACKEND, *(each[0] for each in APPS), *(each[0] for each in RESOLVERS))


def watch_libraries() -> Callable[[], None]:
    """Return the function that ends the wait for imports; the wrappers stay."""
    finder = ModuleFinder(dict.fromkeys(MODULES, wrap_libraries))

    def undo() -> None:
        with suppress(ValueError):  # the tests have changed the list
            sys.meta_path.remove(finder)

    wrap_libraries()
    sys.meta_path.insert(0, finder)
    return undo


def wrap_libraries(_: object = None) -> None:
    try:
        note_unseen_loops()
        note_requests()
        token_waits.instrument()
    except Exception as error:  # the import must not fail
        log.error("the plug-in cannot watch a library: %r", error, exc_info=error)
