"""The name of the blocking library call. C functions have no frame: the source line names them."""

from analysis.findings.blocks.causes import Cause
from analysis.findings.evidence import Stack, StackFrame
from analysis.findings.phases import get_name
from analysis.findings.places import LocatedStack
from analysis.findings.source_code import (
    name_called_attribute,
    name_only_call,
    quote_only_call,
)

PRIMITIVES = ("threading", "queue", "concurrent.futures", "sqlalchemy.util")
"""Modules in which threads wait for each other: only the caller knows the pool or result."""


def name_call(found: LocatedStack, cause: Cause) -> str | None:
    """Name the call. For a wait, that is the innermost call, such as socket.recv_into; for a
    computation, the call in the user's line, such as jinja2.environment.render. None if nothing is
    certain."""
    if cause == "gc" and found.own is None:
        return None
    if found.library:
        if cause != "wait":
            return name_function(found.library[-1])
        return name_wait(found.library)
    if found.own is None:
        return None
    named = name_only_call(found.own.file, found.own.line)
    # a waiting thread is inside the call, whatever its object is; a computing one may be anywhere
    return named or (quote_only_call(found.own.file, found.own.line) if cause == "wait" else None)


def name_function(frame: StackFrame) -> str:
    return f"{frame.module}.{get_name(frame)}"


def name_wait(library: Stack) -> str:
    """library: innermost frame first."""
    callers = (each for each in library if not each.module.startswith(PRIMITIVES))
    waits = next(callers, library[-1])
    return name_call_in_library(waits) if waits is library[0] else name_function(waits)


def name_call_in_library(frame: StackFrame) -> str:
    """Name the C call in the frame's line, or else the function itself."""
    named = name_only_call(frame.file, frame.line)
    attribute = None if named else name_called_attribute(frame.file, frame.line)
    return named or (f"{frame.module}.{attribute}" if attribute else name_function(frame))
