"""What can be passed to another process, and what comes back from it."""

import ast
from collections.abc import Iterator

from analysis.findings.cures.code_sites import YIELDS, CodeSite, walk_own
from analysis.findings.source_code import ParsedSource, find_assigned, get_last_name

CHANGES = frozenset(
    {
        "append", "add", "update", "pop", "popitem", "setdefault", "extend", "insert", "remove",
        "discard", "clear", "sort", "reverse",
    }
)  # fmt: skip
"""Methods that change an object."""
UNSENT_TYPES = ("Request", "WebSocket", "Session", "Connection", "Tasks", "UploadFile", "Response")
"""Ends of the names of types that cannot be copied."""


def is_portable(function: ast.FunctionDef) -> bool:
    """Return True if it gives its result back, and changes nothing that stays in its process."""
    given = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    made = set(find_assigned(function)) - {function.name} - given
    for each in walk_own(function):
        if isinstance(each, (ast.Global, *YIELDS)):
            return False
        changed = find_changed(each)
        if changed is not None and split_root(changed) not in made:
            return False
    return True


def find_changed(node: ast.AST) -> ast.expr | None:
    """Return the object of which it changes a part; None if it changes none."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.value if node.func.attr in CHANGES else None
    return None


def split_root(node: ast.AST) -> str:
    """Return the name of `name.part[0]`; empty if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_object(source: ParsedSource, function: ast.Attribute) -> bool:
    """Return True for a method of what `from module import name` brings, unless its name is a
    class's: another process may have no copy of an object. It may also be a module."""
    root = split_root(function)
    for each in ast.walk(source.tree):
        for name in each.names if isinstance(each, ast.ImportFrom) else ():
            if (name.asname or name.name) == root:
                return not name.name[:1].isupper() or name.name.isupper()
    return False


def takes_request(site: CodeSite, call: ast.Call) -> bool:
    """Return True if an argument is the request, or a dependency such as a session."""
    given = {"request", "websocket", *list_given(site)}
    names = (each.id for part in call.args for each in ast.walk(part) if isinstance(each, ast.Name))
    return any(each in given for each in names)


def list_given(site: CodeSite) -> Iterator[str]:
    """Yield the function's arguments that FastAPI or a dependency makes."""
    if site.function is None:
        return
    taken = site.function.args
    for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs):
        if each.annotation is not None and is_given(site.source, each.annotation):
            yield each.arg
    pairs = [
        *zip(reversed((*taken.posonlyargs, *taken.args)), reversed(taken.defaults), strict=False),
        *zip(taken.kwonlyargs, taken.kw_defaults, strict=True),
    ]
    yield from (each.arg for each, default in pairs if default and depends(default))


def is_given(source: ParsedSource, annotation: ast.expr) -> bool:
    """Return True for `Depends`, also by a name of the file or by one such as SessionDep."""
    names = {get_last_name(each) or "" for each in ast.walk(annotation)}
    aliases = {
        get_last_name(each.targets[0])
        for each in ast.walk(source.tree)
        if isinstance(each, ast.Assign) and depends(each.value)
    }
    is_named = any(each.endswith(("Dep", *UNSENT_TYPES)) for each in names)
    return is_named or depends(annotation) or bool(names & aliases)


def depends(node: ast.AST) -> bool:
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(get_last_name(each) in ("Depends", "Security") for each in calls)
