"""Stacks that accuse nobody: of the probe's own work, and of calls that cannot wait."""

from analysis.findings.blocks.causes import Cause
from analysis.findings.evidence import Stack
from analysis.findings.framework import PROBE
from analysis.findings.places import is_library

PROBE_WRITES = (f"{PROBE}.attach_report", f"{PROBE}.journal")
"""The probe's own files. Its other modules only stand between the app and what that calls."""
NEVER_WAITS = (
    "asyncio.selector_events", "asyncio.sslproto", "uvicorn.protocols", "gunicorn.asgi",
    "hypercorn.asyncio", "hypercorn.protocol", "h11", "websockets",
)  # fmt: skip
"""What an event loop and its servers do with sockets that never block. Seen to last for 150 ms on a
busy machine, with neither CPU nor run delay."""


def is_doubtful(stack: Stack, cause: Cause) -> bool:
    """stack: innermost first."""
    if cause == "wait" and stack and stack[0].module.startswith(NEVER_WAITS):
        return True
    installed = (each for each in stack if "-packages" in each.file or not is_library(each.file))
    of_probe = (each for each in stack if each.module.startswith(PROBE))
    outer, probe = next(installed, None), next(of_probe, None)
    if probe is None or probe.module not in PROBE_WRITES:
        return False
    return outer is None or stack.index(probe) <= stack.index(outer)
