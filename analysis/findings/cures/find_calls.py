"""Find code that relies on whether a function is a `def` or an `async def`."""

import ast
from collections.abc import Iterator, Sequence

from analysis.findings.cures.code_sites import (
    SCOPES,
    YIELDS,
    CodeFunction,
    CodeSite,
    locate_source,
    walk_own,
)
from analysis.findings.evidence import AuditEvidence
from analysis.findings.source_code import find_assigned, get_last_name, parse_source, split_name

TAKES_BOTH = {
    "Depends": 0, "Security": 0, "BackgroundTask": 0, "add_task": 0, "Route": 1, "APIRoute": 1,
    "add_route": 1, "add_api_route": 1, "add_exception_handler": 1,
}  # fmt: skip
"""Functions of the frameworks that call both kinds, and the position of the function there."""
TAKEN = frozenset({"dependency", "func", "endpoint", "route", "handler"})
"""Names of that argument."""
REGISTERS = frozenset(
    {
        "get", "post", "put", "patch", "delete", "head", "options", "trace", "route", "api_route",
        "exception_handler",
    }
)  # fmt: skip
"""Decorators that do not change the function."""
COMPREHENSIONS = (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)

CHECK_FILES = "Check that no other file calls it."
"""For a function that changes its kind: the audit reads the files of endpoints, not all."""


def is_called(site: CodeSite, function: CodeFunction, evidence: AuditEvidence) -> bool:
    """Return True if code in its file, or in one whose endpoint got a request, calls the function
    or passes it on. Other files are not read."""
    tree, name = site.source.tree, function.name
    classes = (each for each in ast.walk(tree) if isinstance(each, ast.ClassDef))
    is_method = any(function in each.body for each in classes)
    if is_used(tree, f".{name}" if is_method else name, function):
        return True
    files = {each.file for each in evidence.endpoints}
    others = [each.tree for each in map(parse_source, files) if each is not None]
    path = locate_source(evidence, site.file).with_suffix("").parts
    path = path[:-1] if path[-1] == "__init__" else path
    return any(
        is_used(each, used, function) for each in others for used in list_names(each, name, path)
    )


def list_names(tree: ast.Module, name: str, path: Sequence[str]) -> Iterator[str]:
    """Yield how a file that imports the function, or its module, names the function. path: the
    folders, which may pass the function on, and the module."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for each in node.names if module.rpartition(".")[2] in ("", *path) else ():
            last = each.name.rpartition(".")[2]
            if last in (name, "*"):
                yield each.asname or name
            elif last == path[-1]:
                yield f"{each.asname or each.name}.{name}"


def is_used(tree: ast.Module, name: str, function: CodeFunction) -> bool:
    """Return True if code calls the function or passes it on, except to what takes both kinds of
    functions, or to a response, which takes both kinds of generators.

    name: as written; `.name` for a method of any object.
    """
    nodes = list(walk_outside(tree, name.partition(".")[0], function))
    is_generator = any(isinstance(each, YIELDS) for each in walk_own(function))
    taken = {id(each) for node in nodes for each in list_taken(node, is_generator)}
    return any(has_name(each, name) and id(each) not in taken for each in nodes)


def walk_outside(tree: ast.Module, name: str, function: CodeFunction) -> Iterator[ast.AST]:
    """Yield the nodes, without the code in which the name is another function's local variable."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, CodeFunction) and name in list_local(node, function):
            pending += [*node.decorator_list, node.args]
        elif isinstance(node, ast.Lambda) and name in list_arguments(node):
            pending.append(node.args)
        elif isinstance(node, COMPREHENSIONS) and any(
            name in find_assigned(each.target) for each in node.generators
        ):
            pending.append(node.generators[0].iter)
        else:
            pending += ast.iter_child_nodes(node)


def list_local(scope: CodeFunction, function: CodeFunction) -> Iterator[str]:
    """Yield the scope's own names, without those of the function and of imports."""
    yield from list_arguments(scope)
    for node in walk_own(scope, (*SCOPES, *COMPREHENSIONS)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, CodeFunction | ast.ClassDef) and node is not function:
            yield node.name


def list_arguments(scope: CodeFunction | ast.Lambda) -> Iterator[str]:
    yield from (each.arg for each in ast.iter_child_nodes(scope.args) if isinstance(each, ast.arg))


def has_name(node: ast.AST, name: str) -> bool:
    """Return True for an expression that reads the name."""
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return False
    root, path = split_name(node)
    text = ".".join([root or "", *path])
    return text.endswith(name) if name.startswith(".") else text == name


def list_taken(node: ast.AST, is_generator: bool) -> Iterator[ast.expr]:
    """Yield the functions in it of which both kinds work there. is_generator: they yield."""
    if isinstance(node, ast.Subscript) and get_last_name(node.value) == "dependency_overrides":
        yield node.slice
    if not isinstance(node, ast.Call):
        return
    name = get_last_name(node.func) or ""
    if isinstance(node.func, ast.Call) and get_last_name(node.func.func) in REGISTERS:
        yield from node.args
    if name in TAKES_BOTH:
        yield from node.args[TAKES_BOTH[name] :][:1]
    for keyword in node.keywords:
        if name in TAKES_BOTH and keyword.arg in TAKEN:
            yield keyword.value
        elif keyword.arg == "exception_handlers" and isinstance(keyword.value, ast.Dict):
            yield from keyword.value.values
    if is_generator and name.endswith("Response"):
        values = (*node.args, *(each.value for each in node.keywords))
        yield from (each.func for each in values if isinstance(each, ast.Call))
