"""Stacks that accuse nobody: of the probe's own work, and of calls that cannot wait."""

from itertools import takewhile

from analysis.findings.blocks.causes import Cause
from analysis.findings.evidence import Stack, StackFrame
from analysis.findings.framework import PROBE
from analysis.findings.phases import get_name
from analysis.findings.places import is_library

PROBE_WRITES = (f"{PROBE}.attach_report", f"{PROBE}.journal")
"""The probe's own files. Its other modules only stand between the app and what that calls."""
NEVER_WAITS = (
    "asyncio.selector_events", "asyncio.sslproto", "uvicorn.protocols", "gunicorn.asgi",
    "hypercorn.asyncio", "hypercorn.protocol", "h11", "websockets",
)  # fmt: skip
"""What an event loop and its servers do with sockets that never block. Seen to last for 150 ms on a
busy machine, with neither CPU nor run delay."""

STARTS = frozenset(
    {
        ("threading", "start"),
        ("subprocess", "_execute_child"),
        ("asyncio.subprocess", "create_subprocess_exec"),
        ("asyncio.subprocess", "create_subprocess_shell"),
    }
)
"""Until a thread or a child runs, which is at once where there is a processor for it."""


def is_doubtful(stack: Stack, cause: Cause) -> bool:
    """stack: innermost first."""
    if not stack:
        return False
    inner = list(takewhile(is_of_python, stack))
    caller = stack[len(inner)] if len(inner) < len(stack) else stack[-1]
    if caller.module in PROBE_WRITES:
        return True
    starts = any((each.module, get_name(each)) in STARTS for each in inner)
    return cause == "wait" and (starts or stack[0].module.startswith(NEVER_WAITS))


def is_of_python(frame: StackFrame) -> bool:
    """Of its own library."""
    return is_library(frame.file) and "-packages" not in frame.file
