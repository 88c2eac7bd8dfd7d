"""Find code that relies on whether a function is a `def` or an `async def`."""

import ast
from collections.abc import Iterator
from pathlib import PurePath

from analysis.findings.cures.code_sites import CodeFunction, CodeSite
from analysis.findings.evidence import AuditEvidence
from analysis.findings.source_code import get_last_name, parse_source, split_name

TAKES_BOTH = frozenset(
    {
        "Depends", "Security", "BackgroundTask", "add_task", "Route", "APIRoute", "add_route",
        "add_api_route", "add_exception_handler",
    }
)  # fmt: skip
"""Functions of the frameworks that call both kinds."""


def is_called(site: CodeSite, function: CodeFunction, evidence: AuditEvidence) -> bool:
    """Return True if code in its file, or in another one that has an endpoint, calls the function
    or passes it on."""
    tree, name = site.source.tree, function.name
    classes = (each for each in ast.walk(tree) if isinstance(each, ast.ClassDef))
    is_method = any(function in each.body for each in classes)
    if is_used(tree, f".{name}" if is_method else name):
        return True
    files = {each.file for each in evidence.endpoints}
    others = [each.tree for each in map(parse_source, files) if each is not None]
    module = PurePath(site.file).stem
    return any(is_used(each, used) for each in others for used in list_names(each, name, module))


def list_names(tree: ast.Module, name: str, module: str) -> Iterator[str]:
    """Yield how a file that imports the module's function, or its module, names the function."""
    for node in ast.walk(tree):
        for each in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            last = each.name.rpartition(".")[2]
            if last == name:
                yield each.asname or name
            elif last == module:
                yield f"{each.asname or each.name}.{name}"


def is_used(tree: ast.Module, name: str) -> bool:
    """Return True if code calls the function or passes it on, except to what takes both kinds of
    functions, or to a response, which takes both kinds of generators.

    name: as written; `.name` for a method of any object.
    """
    taken = {
        id(function)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for function in list_taken(call)
    }
    return any(has_name(each, name) and id(each) not in taken for each in ast.walk(tree))


def has_name(node: ast.AST, name: str) -> bool:
    """Return True for an expression that reads the name."""
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return False
    root, path = split_name(node)
    text = ".".join([root or "", *path])
    return text.endswith(name) if name.startswith(".") else text == name


def list_taken(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the functions among its arguments of which both kinds work."""
    name = get_last_name(call.func) or ""
    for each in (*call.args, *(keyword.value for keyword in call.keywords)):
        if name in TAKES_BOTH:
            yield each
        elif name.endswith("Response") and isinstance(each, ast.Call):
            yield each.func
