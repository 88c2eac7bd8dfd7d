"""Whether an endpoint could run in a thread as it is: an `async def` that awaits nothing."""

from __future__ import annotations

import dis
import functools
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType

from .routes import find_function

AWAITING = frozenset({"GET_AWAITABLE", "GET_ANEXT"})
"""Each await, async for and async with of a coroutine has one of these (Python 3.9 to 3.14)."""


def find_obstacle(endpoint: object, method: str = "GET") -> str | None:
    """Why it cannot: a clause for people. None where it can."""
    function = find_function(endpoint, method)
    if function is None and method == "HEAD":  # Starlette's classes of endpoints
        function = find_function(endpoint, "GET")
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return "its endpoint has no Python code, or is not called by FastAPI or Starlette"
    is_awaited, line = bool(code.co_flags & CO_COROUTINE), find_await(code)
    if is_awaited and line is None:
        return None
    name = describe_place(code, code.co_firstlineno)
    if not is_awaited:
        return f"{name} is not an async def, so it does not run on the event loop"
    return f"{name} awaits in line {line}: only an async def that awaits nothing can be moved"


@functools.lru_cache(maxsize=1_000)
def find_await(code: CodeType) -> int | None:
    """The line of the first."""
    line = code.co_firstlineno
    for each in dis.get_instructions(code):
        # from Python 3.13 on `starts_line` says whether, and no longer which
        found = getattr(each, "line_number", each.starts_line)
        line = found if isinstance(found, int) else line
        if each.opname in AWAITING:
            return line
    return None


def describe_place(code: CodeType, line: int) -> str:
    return f"{code.co_name} ({Path(code.co_filename).name}:{line})"
