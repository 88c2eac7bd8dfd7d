"""Names the calls in a line of source: a C function such as `time.sleep` has no frame."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from functools import lru_cache
from inspect import getattr_static


@lru_cache(maxsize=64)
def parse_file(file: str) -> list[ast.Call]:
    """Return the calls of a file; empty if there is no source."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    return [each for each in ast.walk(tree) if isinstance(each, ast.Call)]


def quote_line(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def list_calls(file: str, line: int, names: Mapping[str, object]) -> list[str]:
    """Return "module.function" of each call in a line, or its text if it is not a module's.
    names: the globals of the code, which resolve `from time import sleep`."""
    return [
        name
        for call in parse_file(file)
        if call.func.lineno <= line <= (call.func.end_lineno or call.func.lineno)
        for name in name_function(call.func, names)
    ]


def name_function(function: ast.expr, names: Mapping[str, object]) -> Iterator[str]:
    path: list[str] = []
    expression = function
    while isinstance(expression, ast.Attribute):
        path.insert(0, expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return
    found = names.get(expression.id)
    for each in path:
        found = getattr_static(found, each, None)
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        yield f"{module}.{name}"
    else:
        yield ".".join([expression.id, *path])
