"""Check of whether an endpoint can run in a thread unchanged: an `async def` without an await."""

from __future__ import annotations

import dis
import functools
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType

from .routes import find_function

AWAITING = frozenset({"GET_AWAITABLE", "GET_ANEXT"})
"""Every await, async for and async with compiles to one of these (Python 3.9 to 3.14)."""


def find_obstacle(endpoint: object, method: str = "GET") -> str | None:
    """Return the reason why an endpoint cannot run in a thread, as a clause; None if it can."""
    function = find_function(endpoint, method)
    if function is None and method == "HEAD":  # Starlette's HTTPEndpoint answers it with get()
        function = find_function(endpoint, "GET")
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return "its endpoint has no Python code, or neither FastAPI nor Starlette calls it"
    is_awaited, line = bool(code.co_flags & CO_COROUTINE), find_await(code)
    if is_awaited and line is None:
        return None
    name = describe_place(code, code.co_firstlineno)
    if not is_awaited:
        return f"{name} is not an async def, so it does not run on the event loop"
    return f"{name} awaits in line {line}: only an async def without an await can move to a thread"


@functools.lru_cache(maxsize=1_000)
def find_await(code: CodeType) -> int | None:
    """Return the line of the first await."""
    line = code.co_firstlineno
    for each in dis.get_instructions(code):
        # since Python 3.13 `starts_line` is a bool and `line_number` has the line
        found = getattr(each, "line_number", each.starts_line)
        line = found if isinstance(found, int) else line
        if each.opname in AWAITING:
            return line
    return None


def describe_place(code: CodeType, line: int) -> str:
    return f"{code.co_name} ({Path(code.co_filename).name}:{line})"
