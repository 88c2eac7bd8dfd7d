"""Records the threads, the thread pool and the event loop of an ASGI app, inside its process.

Needs only the standard library, and instruments anyio only if the app uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import UsageError
    from .middleware import Probe

__all__ = ["Probe", "UsageError"]
MODULES = {"Probe": "middleware", "UsageError": "errors"}


def __getattr__(name: str) -> object:
    """Import a public name on first use: every Python process of an audited command imports this
    package, and most of them serve no requests."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
