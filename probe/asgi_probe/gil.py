"""Whether a free-threaded Python runs with its GIL all the same, and what turned it on.

Python turns the GIL on, for good, to import an extension module that does not declare that it runs
without; a RuntimeWarning names the first one (CPython 3.13, Python/import.c)."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable

log = logging.getLogger("probe")
OPTION = "-X gil=1 or PYTHON_GIL=1"
WARNING = re.compile(r"\(GIL\) has been enabled to load module '([^']+)'")
modules: list[str] = []
"""That turned the GIL on."""
observers: list[Callable[[], None]] = []
"""Called when it has been turned on."""


def describe_gil() -> dict[str, object]:
    """gil_enabled_by: a module, or OPTION; None where it is off, or nobody said."""
    enabled: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    by = find_option() or (modules[0] if modules else None)
    return {
        "gil": enabled,
        "free_threaded": free_threaded,
        "gil_enabled_by": by if free_threaded and enabled else None,
    }


def find_option() -> str | None:
    given = sys._xoptions.get("gil")
    if given is None and not sys.flags.ignore_environment:
        given = os.environ.get("PYTHON_GIL")
    return OPTION if given == "1" else None


def listen_to_warnings() -> None:
    """Each warning is shown as before."""
    show = warnings.showwarning

    @functools.wraps(show)
    def note_and_show(message: Warning | str, *args: object, **options: object) -> None:
        note_warning(str(message))
        show(message, *args, **options)  # type: ignore[arg-type]

    warnings.showwarning = note_and_show


def note_warning(message: str) -> None:
    found = WARNING.search(message)
    if found is not None:
        modules.append(found.group(1))
        try:
            for observe in observers:
                observe()
        except Exception as error:  # whatever it is, the import must go on
            log.error("the probe cannot report that the GIL is on: %r", error, exc_info=error)
