"""Stands in for freezegun: it replaces the clocks of the module `time`, and each attribute of
another module that is one of them. Needs only the standard library, so that an inner run of pytest
can import a copy."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

CLOCKS = ("time", "monotonic", "perf_counter")
FROZEN_S = 1_700_000_000
SPARED = "threading"
"""freezegun spares it too: waits with a time limit need its clock."""


@contextmanager
def freeze_time() -> Iterator[None]:
    fakes: dict[int, object] = {}
    for name in CLOCKS:
        fakes[id(getattr(time, name))] = lambda: float(FROZEN_S)
        fakes[id(getattr(time, f"{name}_ns"))] = lambda: FROZEN_S * 10**9
    modules = [each for name, each in list(sys.modules.items()) if name != SPARED]
    replaced = [
        (module, name, value)
        for module in modules
        for name, value in list(getattr(module, "__dict__", {}).items())
        if id(value) in fakes
    ]
    for module, name, value in replaced:
        setattr(module, name, fakes[id(value)])
    try:
        yield
    finally:
        for module, name, value in replaced:
            setattr(module, name, value)
