"""Stacks that accuse no code: calls that cannot wait, and calls that let the watchdog in."""

from itertools import takewhile

from analysis.findings.blocks.causes import Cause
from analysis.findings.evidence import Stack, StackFrame
from analysis.findings.phases import get_name
from analysis.findings.places import is_library

NEVER_WAITS = (
    "asyncio.selector_events", "asyncio.sslproto", "uvicorn.protocols", "gunicorn.asgi",
    "hypercorn.asyncio", "hypercorn.protocol", "h11", "websockets",
)  # fmt: skip
"""Socket code of event loops and servers that never blocks. Samples of 150 ms were seen on a busy
machine, with neither CPU nor run delay."""

STARTS = frozenset(
    {
        ("threading", "start"),
        ("subprocess", "_execute_child"),
        ("asyncio.subprocess", "create_subprocess_exec"),
        ("asyncio.subprocess", "create_subprocess_shell"),
    }
)
"""Calls that last until a thread or a child runs: at once if a processor is free."""


def is_doubtful(stack: Stack, cause: Cause, is_locked_out: bool) -> bool:
    """stack: innermost first. is_locked_out: the sampled thread kept the GIL for most of the time.
    The watchdog then samples it where it lets go, and a socket's `send` always does."""
    if not stack:
        return False
    inner = list(takewhile(is_of_python, stack))
    starts = any((each.module, get_name(each)) in STARTS for each in inner)
    is_server = stack[0].module.startswith(NEVER_WAITS)
    return (cause == "wait" and starts) or (is_server and (cause == "wait" or is_locked_out))


def is_of_python(frame: StackFrame) -> bool:
    """Return True for Python's standard library."""
    return is_library(frame.file) and "-packages" not in frame.file
