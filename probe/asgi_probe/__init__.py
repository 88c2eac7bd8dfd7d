"""Instruments: see the threads, the pool and the loop of any ASGI app, from inside its process.

Depends on nothing but the standard library, and looks at anyio only when the app has it.
"""

from .middleware import Probe

__all__ = ["Probe"]
