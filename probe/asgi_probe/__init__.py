"""Instruments: see the threads, the pool and the loop of any ASGI app, from inside its process.

Depends on nothing but the standard library, and looks at anyio only when the app has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .middleware import Probe

__all__ = ["Probe"]


def __getattr__(name: str) -> type[Probe]:
    """Imports the probe when it is asked for: this package is imported in each Python process of
    an audited command, and most of them serve nothing."""
    if name != "Probe":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .middleware import Probe

    return Probe
