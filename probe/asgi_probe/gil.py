"""Reports whether a free-threaded Python runs with the GIL enabled, and what enabled it.

Python enables the GIL for good when it imports an extension module that does not declare support
for running without it; a RuntimeWarning names the first one (CPython 3.13, Python/import.c)."""

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
"""Modules that enabled the GIL."""
observers: list[Callable[[], None]] = []
"""Called after the GIL was enabled."""


def describe_gil() -> dict[str, object]:
    """gil_enabled_by: a module or OPTION; None if the GIL is off or the cause is unknown."""
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
    """Watch for Python's warning about the GIL; every warning is still shown."""
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
        except Exception as error:  # the import must not fail
            log.error("the probe cannot report that the GIL is enabled: %r", error, exc_info=error)
