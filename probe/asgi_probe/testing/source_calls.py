"""Names what only the source shows: the calls in a line, since a C function such as `time.sleep`
has no frame, and, before Python 3.11, the class of a method."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from functools import lru_cache
from inspect import getattr_static

UNNAMED: dict[type[ast.AST], str] = {ast.Lambda: "<lambda>", ast.GeneratorExp: "<genexpr>"}


def parse_file(file: str) -> ast.Module:
    """Return an empty module if there is no source."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


@lru_cache(maxsize=64)
def find_calls(file: str) -> list[ast.Call]:
    return [each for each in ast.walk(parse_file(file)) if isinstance(each, ast.Call)]


@lru_cache(maxsize=64)
def find_functions(file: str) -> dict[tuple[int, str], str]:
    """Return the qualified names of a file's functions, without "<locals>", by their first line and
    plain name: before Python 3.11, their code objects have no qualified name."""
    found: dict[tuple[int, str], str] = {}
    nodes: list[tuple[ast.AST, str, str]] = [(parse_file(file), "", "")]
    while nodes:  # no recursion: an expression may be deep
        node, inside, around = nodes.pop()
        outside = [*getattr(node, "decorator_list", ()), getattr(node, "args", None)]
        for each in ast.iter_child_nodes(node):
            outer = around if any(each is one for one in outside) else inside
            name, first = UNNAMED.get(type(each), ""), getattr(each, "lineno", 0)
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = each.name
                first = min([first, *(one.lineno for one in each.decorator_list)])
            if name:
                found[first, name] = outer + name
            nodes.append((each, f"{outer}{name}." if name else outer, outer))
    return found


def quote_line(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def list_calls(file: str, line: int, names: Mapping[str, object]) -> list[str]:
    """Return "module.function" of each call in a line, or its text if it is not a module's.
    names: the globals of the code, which resolve `from time import sleep`."""
    return [
        name
        for call in find_calls(file)
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
    yield read_name(found) or ".".join([expression.id, *path])


def read_name(function: object) -> str | None:
    """Return "module.function"; None for an object without such a name."""
    try:
        # before Python 3.10 a class method has no name
        found = getattr(function, "__func__", function)
        module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    except Exception:  # a proxy may do anything
        return None
    return f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else None
