"""Finds code that is safe on the event loop's single thread, but not in several threads: there,
other requests run between two lines, and asyncio's objects must not be used."""

from __future__ import annotations

import ast
import threading
from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from types import ModuleType

from .endpoint_code import describe_place
from .function_source import MISSING, FunctionSource, find_source, write_path

CONTAINERS = (dict, list, set, bytearray, deque)
CHANGES = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "popleft", "remove", "reverse", "setdefault", "sort", "update",
})  # fmt: skip
LOCKS = (
    type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Semaphore,
)  # fmt: skip
LOOP_CALLS = frozenset({
    "create_task", "current_task", "ensure_future", "get_event_loop", "get_running_loop",
})  # fmt: skip
LOOP_MODULES = ("asyncio", "_asyncio", "uvloop")
STATE = ".app.state."
MOST_FUNCTIONS, MOST_HAZARDS = 50, 10


def find_hazards(endpoint: object) -> list[str]:
    """Return hazards as clauses: of an endpoint, and of the service's functions that it calls."""
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    called = getattr(type(endpoint), "__call__", None)  # noqa: B004
    first = find_source(endpoint) or find_source(called, endpoint)
    sources = [] if first is None else [first]
    # a copy of a function in another file has an equal code object
    seen = {(each.code.co_filename, each.code) for each in sources}
    hazards: list[str] = []
    for source in sources:  # grows during the loop
        reader = HazardReader(source)
        hazards += reader.read()
        new = [each for each in reader.called if (each.code.co_filename, each.code) not in seen]
        seen |= {(each.code.co_filename, each.code) for each in new}
        sources += new[: MOST_FUNCTIONS - len(sources)]
    return list(dict.fromkeys(hazards))[:MOST_HAZARDS]


class HazardReader(ast.NodeVisitor):
    """Reader of one function. `called`: the service's own functions that it calls."""

    def __init__(self, source: FunctionSource) -> None:
        self.called: list[FunctionSource] = []
        self._source = source
        self._globals: set[str] = set()
        self._lines: dict[str, int] = {}
        """The line of the first change of each shared object."""
        self._changes: Counter[str] = Counter()
        self._uses: Counter[str] = Counter()
        """Uses that are part of a change are counted too."""
        self._loop_calls: list[tuple[int, str]] = []

    def read(self) -> Iterator[str]:
        for statement in self._source.parse():
            self.visit(statement)
        for line, path in self._loop_calls:
            place = describe_place(self._source.code, line)
            yield f"{place} calls {path}, but asyncio works only in the event loop's thread"
        for path, line in self._lines.items():
            if self._uses[path] > self._changes[path]:
                place = describe_place(self._source.code, line)
                yield f"{place} reads and changes {path}, and two threads can do so at once"

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self._globals.update(node.names)

    visit_Nonlocal = visit_Global  # noqa: N815

    def visit_Lambda(self, node: ast.AST) -> None:
        """Skip nested functions: they have names of their own."""

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda  # noqa: N815

    def visit_With(self, node: ast.With) -> None:
        given = [self._source.resolve(each.context_expr) for each in node.items]
        if not any(isinstance(each, LOCKS) for each in given):
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Count `+=` and the like as a use and a change."""
        self.generic_visit(node)
        target = node.target
        self._note_use(target.value if isinstance(target, ast.Subscript) else target)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            if node.id in self._globals:
                self._note_change(node, node)
        else:
            self._note_use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self._note_use(node)
        elif self._is_shared(node.value):
            self._note_change(node, node)
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load) and self._is_shared(node.value):
            self._note_change(node, node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function, path = self._source.resolve(node.func), write_path(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if path is not None and self._is_loop_call(function, owner):
            self._loop_calls.append((node.lineno, path))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            self._note_method(node.func)
        bound = None if owner is None else self._source.resolve(owner)
        source = find_source(function, None if isinstance(bound, ModuleType) else bound)
        if source is not None:
            self.called.append(source)

    def _is_loop_call(self, function: object, owner: ast.AST | None) -> bool:
        name = getattr(function, "__name__", "")
        if name in LOOP_CALLS and is_of_loop(function):
            return True
        return owner is not None and is_of_loop(type(self._source.resolve(owner)))

    def _note_method(self, function: ast.Attribute) -> None:
        path = write_path(function.value) or ""
        if isinstance(self._source.resolve(function.value), CONTAINERS) or STATE in path:
            self._note_change(function, function.value)

    def _is_shared(self, node: ast.AST) -> bool:
        """Return True if other requests use the same object, and it is not thread-local."""
        while isinstance(node, ast.Subscript):
            node = node.value
        found, path = self._source.resolve(node), write_path(node) or ""
        return (
            found is not MISSING and not isinstance(found, threading.local)
        ) or STATE in f"{path}."

    def _note_change(self, node: ast.expr, thing: ast.AST) -> None:
        path = write_path(thing)
        if path is not None:
            self._changes[path] += 1
            self._lines.setdefault(path, node.lineno)
            if node is thing:  # an assignment has no use of its own, which read() expects
                self._uses[path] += 1

    def _note_use(self, node: ast.AST) -> None:
        path = write_path(node)
        if path is not None:
            self._uses[path] += 1


def is_of_loop(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] in LOOP_MODULES
