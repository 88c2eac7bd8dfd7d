"""Read from the user's source which call a line contains."""

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MOST_BYTES = 2_000_000
"""Maximum size of a source file; a larger one is generated."""
QUICK = frozenset({"int", "float", "str", "len", "bool", "range", "isinstance", "getattr"})
QUICK_METHODS = frozenset({"hex", "decode", "encode", "strip", "lower", "upper", "hexdigest"})
"""Calls too short to block a loop."""
BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True)
class ParsedSource:
    """calls: by line. imports: what each unambiguous name stands for."""

    tree: ast.Module
    lines: tuple[str, ...]
    calls: Mapping[int, tuple[ast.Call, ...]]
    imports: Mapping[str, str]
    assigned: frozenset[str]


@lru_cache(maxsize=256)
def parse_source(file: str) -> ParsedSource | None:
    """Return None if the file cannot be read or has the grammar of another Python version."""
    path = Path(file)
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        text = path.read_text("utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    calls: dict[int, list[ast.Call]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for line in {node.lineno, node.func.end_lineno or node.lineno}:
                calls.setdefault(line, []).append(node)
    return ParsedSource(
        tree,
        tuple(text.removesuffix("\n").split("\n")),  # as the parser: other characters end no line
        {line: tuple(found) for line, found in calls.items()},
        dict(find_imports(ast.walk(tree))),
        frozenset(find_assigned(tree)),
    )


def find_imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield each name and its target, without names that have two targets."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.split(".")[0]
                found.setdefault(name, set()).add(each.name if each.asname else name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for each in node.names:
                full = f"{node.module}.{each.name}"
                found.setdefault(each.asname or each.name, set()).add(full)
    yield from ((name, targets.pop()) for name, targets in found.items() if len(targets) == 1)


def find_assigned(tree: ast.AST) -> Iterator[str]:
    """Yield the names that the code itself binds: they may stand for anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def read_line(file: str, line: int) -> str:
    """Return an empty line if the source is missing."""
    source = parse_source(file)
    return source.lines[line - 1] if source and 0 < line <= len(source.lines) else ""


def name_only_call(file: str, line: int) -> str | None:
    """Return the full name of the only call that begins in this line, such as hashlib.pbkdf2_hmac;
    None if there are several, or if the name may stand for anything."""
    call = find_only_call(file, line)
    source = parse_source(file)
    return None if call is None or source is None else resolve_call(source, call)


def resolve_call(source: ParsedSource, call: ast.Call) -> str | None:
    """Return the full name of the called function; None if the name may stand for anything."""
    root, path = split_name(call.func)
    if root is None or root in source.assigned:
        return None
    if root in source.imports:
        return ".".join([source.imports[root], *path])
    return root if root in BUILTINS and not path else None


def quote_only_call(file: str, line: int) -> str | None:
    """Return the only call as written, such as `connection.execute`; None if it has no name."""
    call = find_only_call(file, line)
    root, path = split_name(call.func) if call is not None else (None, [])
    return None if root is None else ".".join([root, *path])


def name_called_attribute(file: str, line: int) -> str | None:
    """Return `recv_into` for the only call self._sock.recv_into(b)."""
    call = find_only_call(file, line)
    return call.func.attr if call is not None and isinstance(call.func, ast.Attribute) else None


def find_only_call(file: str, line: int) -> ast.Call | None:
    source = parse_source(file)
    found = [
        each for each in (source.calls.get(line, ()) if source else ()) if not is_quick(each.func)
    ]
    return found[0] if len(found) == 1 else None


def is_quick(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr in QUICK_METHODS
    return isinstance(function, ast.Name) and function.id in QUICK


def split_name(node: ast.expr) -> tuple[str | None, list[str]]:
    """Split a.b.c into a and [b, c]; return None if it does not begin with a name."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else None), path


def get_last_name(node: ast.AST) -> str | None:
    """Return `c` for a.b.c; None for other expressions."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
