"""Edits of source lines, as text."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analysis.findings.cures.code_sites import (
    SCOPES,
    CodeFunction,
    CodeSite,
    list_header,
    walk_own,
)
from analysis.findings.source_code import (
    ParsedSource,
    find_imports,
    get_last_name,
    is_quick,
    split_name,
)

MOST_LINES = 8
"""Maximum of a statement: a longer one is no hint any more."""
LAZY = (ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
"""Code in them cannot be awaited, or runs at another time or many times."""
LOAD = ast.Load()
BOUND = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
"""Expressions that cannot be in a lambda, or mean something else there."""


@dataclass(frozen=True, slots=True)
class LineEdit:
    """line: of the first line of `before`. missing: the import that the file needs for it."""

    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    missing: str | None = None


def replace_text(source: ParsedSource, node: ast.expr, text: str) -> LineEdit | None:
    """Return None if the expression is too long for a hint."""
    first, last = node.lineno, node.end_lineno or node.lineno
    before = source.lines[first - 1 : last]
    if len(before) > MOST_LINES or len(before) != last - first + 1:
        return None
    head = before[0].encode()[: node.col_offset].decode()
    tail = before[-1].encode()[node.end_col_offset :].decode()
    return LineEdit(first, before, tuple(f"{head}{text}{tail}".split("\n")))


def quote(source: ParsedSource, node: ast.expr) -> str:
    """Return the expression as it is written."""
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = [each.encode() for each in source.lines[first - 1 : last]]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"\n".join(lines).decode()


def edit_def(source: ParsedSource, function: CodeFunction) -> LineEdit | None:
    """Change `async def` to `def`, or the reverse."""
    line = source.lines[function.lineno - 1]
    head, rest = line[: function.col_offset], line[function.col_offset :]
    if isinstance(function, ast.AsyncFunctionDef):
        changed = rest.removeprefix("async").lstrip()
        return LineEdit(function.lineno, (line,), (head + changed,)) if changed != rest else None
    return LineEdit(function.lineno, (line,), (f"{head}async {rest}",))


def spell(source: ParsedSource, full: str) -> tuple[str, str | None]:
    """Return how the file must write `full`, such as anyio.to_thread.run_sync, and the import that
    it needs; None if it has it already."""
    imports = list_imported(source)
    for name, target in imports.items():
        if full == target:
            return name, None
    module = full.rpartition(".")[0]
    for name, target in imports.items():
        if module == target:
            return name + full.removeprefix(module), None
    for name, target in imports.items():
        if module.startswith(f"{target}."):
            return name + full.removeprefix(target), f"import {module}"
    return full, f"import {module}"


def list_imported(source: ParsedSource) -> Mapping[str, str]:
    """Map the names that all code of the module has, and that always stand for the same: without
    the imports of a function or of an `if`."""
    return {
        name: target
        for name, target in find_imports(source.tree.body)
        if source.imports.get(name) == target and name not in source.assigned
    }


def list_calls(site: CodeSite) -> Iterator[ast.Call]:
    """List calls in the statement's own line, without quick ones."""
    for part in list_header(site.statement):
        for node in walk_now(part):
            if isinstance(node, ast.Call) and not is_quick(node.func):
                last = node.func.end_lineno or node.lineno
                if node.lineno <= site.line <= last:
                    yield node


def walk_now(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs with the statement, so no nested functions."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from walk_now(child)


def find_call(site: CodeSite, callee: str | None) -> ast.Call | None:
    """Find the blocking call by the name of the function that it leads to, or else the only call.
    Return None if it is unknown, or if an `await` in its statement could lose a change."""
    calls = [] if is_split(site) else list(list_calls(site))
    named = [each for each in calls if get_last_name(each.func) == callee]
    if callee is not None and len(named) == 1:
        return named[0]
    return calls[0] if len(calls) == 1 and callee is None else None


def is_split(site: CodeSite) -> bool:
    """Return True for `shared += f()`, or `shared = shared + f()`: with an `await` between its
    reading and its writing, changes of other requests in between would be lost."""
    statement = site.statement
    if not isinstance(statement, ast.AugAssign | ast.Assign) or site.function is None:
        return False
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    text = ast.unparse(target)
    read = [each for each in ast.walk(statement.value) if isinstance(each, type(target))]
    if isinstance(statement, ast.Assign) and text not in map(ast.unparse, read):
        return False
    shared = [
        name
        for each in walk_own(site.function)
        if isinstance(each, ast.Global | ast.Nonlocal)
        for name in each.names
    ]
    return not isinstance(target, ast.Name) or target.id in shared


def list_parents(statement: ast.stmt) -> Mapping[ast.AST, ast.AST]:
    parents: dict[ast.AST, ast.AST] = {}
    for part in list_header(statement):
        for node in walk_now(part):
            parents.update((child, node) for child in ast.iter_child_nodes(node))
    return parents


def list_ancestors(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        node = parents[node]
        yield node


def is_awaited(site: CodeSite, callee: str | None) -> bool:
    """Return True if the line awaits the blocking call, or anything if that call is unknown."""
    parents, call = list_parents(site.statement), find_call(site, callee)
    if call is not None:
        return isinstance(parents.get(call), ast.Await)
    is_header = isinstance(site.statement, ast.AsyncWith | ast.AsyncFor)
    return is_header or any(isinstance(each, ast.Await) for each in parents.values())


def grow_chain(node: ast.expr, parents: Mapping[ast.AST, ast.AST]) -> ast.expr:
    """Extend `get(url)` to `get(url).json()`."""
    parent = parents.get(node)
    while isinstance(parent, ast.expr) and is_begin_of(node, parent):
        node, parent = parent, parents.get(parent)
    return node


def is_begin_of(node: ast.AST, parent: ast.AST) -> bool:
    if isinstance(parent, ast.Attribute | ast.Subscript):
        return parent.value is node
    return isinstance(parent, ast.Call) and parent.func is node


def choose_expression(site: CodeSite, callee: str | None) -> ast.expr | None:
    """Choose what to move to a thread or a process: the blocking call with the expression that
    continues it, or else the statement's whole value. Return None if that cannot stand alone."""
    parents = list_parents(site.statement)
    call = find_call(site, callee)
    whole = get_value(site.statement)
    if call is not None and not any(
        isinstance(each, LAZY) for each in list_ancestors(call, parents)
    ):
        node: ast.expr | None = grow_chain(call, parents)
    else:
        node = whole
    if node is None or isinstance(parents.get(node), ast.Await) or is_split(site):
        return None
    if node is whole and call is None and is_setter(site.statement, callee):
        return None
    is_target = not isinstance(getattr(node, "ctx", LOAD), ast.Load)
    return None if is_target or any(map(is_bound, ast.walk(node))) else node


def is_bound(node: ast.AST) -> bool:
    """Return True for what means something else, or fails, in a lambda."""
    if isinstance(node, ast.comprehension):
        return bool(node.is_async)
    return isinstance(node, BOUND) or (isinstance(node, ast.Name) and node.id == "super")


def is_setter(statement: ast.stmt, callee: str | None) -> bool:
    """Return True if the assignment itself runs the code: a property, or __setitem__."""
    found = [*getattr(statement, "targets", ()), getattr(statement, "target", None)]
    names = {each.attr for each in found if isinstance(each, ast.Attribute)}
    return callee is not None and (callee == "__setitem__" or callee in names)


def get_value(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return):
        return statement.value
    return None


def is_plain_call(node: ast.expr) -> bool:
    """Return True if its function and arguments can be passed on unchanged: their computation stays
    where it is, and must not be what blocks."""
    return (
        isinstance(node, ast.Call)
        and split_name(node.func)[0] is not None
        and not node.keywords
        and not any(isinstance(each, ast.Starred) for each in node.args)
        and not any(is_slow_part(part) for each in node.args for part in ast.walk(each))
    )


def is_slow_part(node: ast.AST) -> bool:
    return isinstance(node, ast.Call | ast.comprehension) and not (
        isinstance(node, ast.Call) and is_quick(node.func)
    )


def write_thread_call(source: ParsedSource, node: ast.expr, runner: str) -> str:
    """Write `await runner(f, x)` for f(x)."""
    if is_plain_call(node):
        assert isinstance(node, ast.Call)
        parts = (quote(source, each) for each in (node.func, *node.args))
        return f"await {runner}({', '.join(parts)})"
    return f"await {runner}(lambda: {quote(source, node)})"
