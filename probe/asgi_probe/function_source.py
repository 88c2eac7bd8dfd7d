"""The source of one of the service's functions, and the objects that its names refer to now."""

from __future__ import annotations

import ast
import inspect
import os
import sysconfig
import textwrap
from types import FunctionType, MethodType, ModuleType

from .stacks import PROBE_HOME

MISSING = object()
LIBRARIES = (
    PROBE_HOME,
    *(f"{path}{os.sep}" for name, path in sysconfig.get_paths().items() if name.endswith("lib")),
)
PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class FunctionSource:
    """owner: the object whose method it is; ignored if it is created per request (Starlette's
    HTTPEndpoint)."""

    def __init__(self, function: FunctionType, owner: object = None) -> None:
        self.code = function.__code__
        self._function = function
        self._owner = owner if find_attribute(owner, "scope") is MISSING else None

    def parse(self) -> list[ast.stmt]:
        """Return its statements, with the line numbers of its file; empty if it has no source."""
        try:
            lines, first = inspect.getsourcelines(self.code)
            (tree,) = ast.parse(textwrap.dedent("".join(lines))).body
        except (OSError, SyntaxError, ValueError):
            return []
        ast.increment_lineno(tree, max(first, 1) - 1)
        return tree.body if isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) else []

    def resolve(self, node: ast.AST) -> object:
        """Return a dotted name's object, or MISSING. Runs no code of the service."""
        if isinstance(node, ast.Name):
            return self.find_name(node.id)
        if not isinstance(node, ast.Attribute):
            return MISSING
        owner = self.resolve(node.value)
        if owner is MISSING:
            return MISSING
        if isinstance(owner, ModuleType):
            return vars(owner).get(node.attr, MISSING)
        return find_attribute(owner, node.attr)

    def find_name(self, name: str) -> object:
        """Return the object that a name refers to; MISSING for a local variable."""
        code = self.code
        if name in code.co_varnames or name in code.co_cellvars:
            is_first = code.co_argcount > 0 and name == code.co_varnames[0]
            return MISSING if self._owner is None or not is_first else self._owner
        if name in code.co_freevars:
            cell = (self._function.__closure__ or ())[code.co_freevars.index(name)]
            try:
                return cell.cell_contents
            except ValueError:  # the cell is empty
                return MISSING
        return self._function.__globals__.get(name, MISSING)


def find_source(function: object, owner: object = None) -> FunctionSource | None:
    """Return a function's source; None if it is not Python code, or belongs to a library."""
    if isinstance(function, MethodType):
        owner, function = function.__self__, function.__func__
    if not isinstance(function, FunctionType) or is_library(function.__code__.co_filename):
        return None
    return FunctionSource(function, owner)


def is_library(file: str) -> bool:
    """Return True for a file of Python, of an installed package or of the probe."""
    return file.startswith((*LIBRARIES, "<")) or any(each in file for each in PACKAGES)


def find_attribute(owner: object, name: str) -> object:
    return inspect.getattr_static(owner, name, MISSING)


def write_path(node: ast.AST) -> str | None:
    """Return a dotted name as it is written; None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = write_path(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None
