"""Find where a blocking call can be awaited: the line of the nearest coroutine on its stack."""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeGuard

from analysis.findings.base import ShownFrame
from analysis.findings.cures.blocked_code import BlockedCode, shorten_name
from analysis.findings.cures.code_sites import (
    CANCEL_SCOPES,
    YIELDS,
    CodeFunction,
    CodeSite,
    find_site,
    has_await,
    walk_own,
)
from analysis.findings.cures.find_calls import REGISTERS, is_called
from analysis.findings.cures.one_caller import is_for_one_caller
from analysis.findings.cures.portable import name_library_call
from analysis.findings.evidence import AuditEvidence
from analysis.findings.source_code import find_assigned, get_last_name

FRAMEWORKS = ("fastapi.", "starlette.", "uvicorn.", "hypercorn.", "granian.", "asyncio.")
"""Beyond these frames, no code of the user's can await the call."""
CALLS_CODE = frozenset(
    {
        ("fastapi.routing", "run_endpoint_function"),
        ("fastapi.dependencies.utils", "solve_dependencies"),
        ("starlette.routing", "app"),
        ("starlette.background", "__call__"),
        ("starlette._exception_handler", "wrapped_app"),
    }
)
"""Functions that call the app's functions, in a thread if they are declared with `def`."""
MAY_BE_DEF = ("endpoint", "dependency", "background", "exception-handler")
"""In a websocket, no function can be."""
NEEDS_LOOP = frozenset(
    {
        "get_running_loop", "get_event_loop", "create_task", "ensure_future", "current_task",
        "call_soon", "call_later", "call_at", "put_nowait", "get_nowait", "set_result",
        "set_exception", "bind_contextvars", "clear_contextvars", *CANCEL_SCOPES,
    }
)  # fmt: skip
"""In a thread, they fail, refer to another loop, are not thread-safe, or set a context variable
only in the thread's copy of the context."""
SETTERS = ("set", "reset")
"""Of a context variable, which take its value alone, unlike a cache's; or of an event."""
WITH_LOOP = ("asyncio.", "anyio.", "structlog.")
UNKNOWN = "<generator>"
"""A callee that no call in a line has."""
DISPLAYS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
CONTAINERS = frozenset({"dict", "list", "set", "bytearray", "defaultdict", "deque"})
COPIES = frozenset({"enumerate", "list", "reversed", "sorted", "tuple"})
"""A loop over their results gets the parts of their arguments."""


@dataclass(frozen=True, slots=True)
class AwaitingSite:
    """site: in a coroutine of the user's. callee: the function that its line calls; None if
    unknown. caller: what runs the coroutine. between: the lines of the user's functions through
    which it calls the blocking code."""

    site: CodeSite
    callee: str | None
    caller: ShownFrame | None
    between: tuple[CodeSite, ...] = ()

    def can_be_def(self, code: BlockedCode, evidence: AuditEvidence) -> bool:
        """Return True if the framework can run the whole function in a thread instead, and no file
        that is_called reads calls it."""
        function = self.site.function
        if function is None or self.caller is None or has_await(function):
            return False
        called_by = self.caller.module, shorten_name(self.caller.function)
        return (
            code.place.phase in MAY_BE_DEF
            and called_by in CALLS_CODE
            and is_only_registered(function)
            and not any(isinstance(each, YIELDS) for each in walk_own(function))
            and self.can_move(walk_own(function), evidence)
            and not is_called(self.site, function, evidence)
            and not is_for_one_caller(code, evidence)
        )

    def can_move(self, nodes: Iterable[ast.AST], evidence: AuditEvidence) -> bool:
        """Return True if a thread can run these nodes of its function, with all that they call in
        its file, and with the functions between."""
        runs = [(self.site, nodes)]
        runs += [(each, walk_own(each.function)) for each in self.between if each.function]
        return not any(
            needs_loop(own, node, evidence)
            for site, parts in runs
            for own, node in list_run(site, parts)
        )


def list_run(site: CodeSite, nodes: Iterable[ast.AST]) -> Iterator[tuple[CodeSite, ast.AST]]:
    """Yield the nodes of the site's function, and those of functions of the file that they use,
    each with its function."""
    own = [each for each in ast.walk(site.source.tree) if isinstance(each, ast.FunctionDef)]
    pending, known = [(site.function, list(nodes))], {site.function}
    while pending:
        function, parts = pending.pop()
        place = replace(site, function=function)
        yield from ((place, each) for each in parts)
        names = set(map(name_own, parts))
        used = [each for each in own if each.name in names and each not in known]
        pending += [(each, list(walk_own(each))) for each in used]
        known |= {*used}


def name_own(node: ast.AST) -> str | None:
    """Return the name of what may be a function of the file, or a method of its own class."""
    is_method = isinstance(node, ast.Attribute) and get_last_name(node.value) in ("self", "cls")
    return get_last_name(node) if isinstance(node, ast.Name) or is_method else None


def needs_loop(site: CodeSite, node: ast.AST, evidence: AuditEvidence) -> bool:
    """Return True if it uses the event loop or a task of it, or changes what requests share:
    several threads would change it at the same time."""
    if isinstance(node, ast.Call) and get_last_name(node.func) in SETTERS:
        return isinstance(node.func, ast.Attribute) and len(node.args) + len(node.keywords) < 2
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute | ast.Subscript):
        return not is_own(site, node.target.value, evidence)
    if isinstance(node, ast.Name):
        full = site.source.imports.get(node.id, "")
        return full.startswith(WITH_LOOP) and full.rpartition(".")[2] in NEEDS_LOOP
    is_shared = isinstance(node, ast.Global | ast.Nonlocal)
    return is_shared or (isinstance(node, ast.Attribute) and node.attr in NEEDS_LOOP)


def is_own(
    site: CodeSite, value: ast.expr, evidence: AuditEvidence, known: Collection[str] = ()
) -> bool:
    """Return True for what the function creates, or gets of its request, and for a part of it.
    Return False for what other requests may have too, such as app.state or a dependency's object.

    known: names of loops that are looked up already.
    """
    if isinstance(value, ast.Attribute | ast.Subscript):
        is_of_app = isinstance(value, ast.Attribute) and value.attr == "app"
        return not is_of_app and is_own(site, value.value, evidence, known)
    if not isinstance(value, ast.Name) or site.function is None:
        return is_creation(site, value, evidence)
    name, function = value.id, site.function
    if name in ("self", "cls"):
        return False
    nodes = list(walk_own(function))
    made = [each.value for each in nodes if is_assigned(each, name)]
    read = [] if name in known else [each for node in nodes for each in list_read(node, name)]
    if made or read:
        return all(is_creation(site, each, evidence) for each in made) and all(
            is_own(site, each, evidence, {*known, name}) for each in read
        )
    arguments = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    given = ast.unparse(function.args)
    is_given = "Depends(" in given or "Security(" in given
    return name in arguments and (name == "request" or not is_given)


def list_read(node: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield what the loop takes its variable of that name from."""
    if isinstance(node, ast.For | ast.comprehension) and name in find_assigned(node.target):
        match node.iter:
            case ast.Call(func=ast.Name(id=copier), args=[whole, *_]) if copier in COPIES:
                yield whole
            case whole:
                yield whole


def is_assigned(node: ast.AST, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    """Return True if the statement assigns a value to the name."""
    if isinstance(node, ast.Assign):
        return any(isinstance(each, ast.Name) and each.id == name for each in node.targets)
    return isinstance(node, ast.AnnAssign) and get_last_name(node.target) == name


def is_creation(site: CodeSite, value: ast.expr | None, evidence: AuditEvidence) -> bool:
    """Return True for a container's display, a sum with one, and the call of a class or library."""
    if isinstance(value, ast.BinOp):
        return any(is_creation(site, each, evidence) for each in (value.left, value.right))
    if not isinstance(value, ast.Call):
        return isinstance(value, DISPLAYS)
    name = get_last_name(value.func) or ""
    is_class = name[:1].isupper() or name in CONTAINERS
    return is_class or name_library_call(site, value, evidence) is not None


def is_only_registered(function: CodeFunction) -> bool:
    """Return True if no decorator changes it or calls it itself."""
    decorators = (
        each.func if isinstance(each, ast.Call) else each for each in function.decorator_list
    )
    return all(get_last_name(each) in REGISTERS for each in decorators)


def find_awaiting_site(code: BlockedCode, evidence: AuditEvidence) -> AwaitingSite | None:
    """Search outwards from the blocking place. Return None if the framework comes first, or if the
    source is missing."""
    place, callee = code.place, code.callee_name
    frames = [
        ShownFrame("", place.file or "", place.line or 0, place.function or ""),
        *code.callers,
    ]
    between: list[CodeSite] = []
    for index, frame in enumerate(frames):
        if frame.module.startswith(FRAMEWORKS):
            return None
        site = find_site(evidence, frame.file, frame.line, frame.function)
        if site is not None and site.is_async:
            caller = next(iter(frames[index + 1 :]), None)
            return AwaitingSite(site, callee, caller, tuple(between))
        callee = shorten_name(frame.function)
        between += [site] if site is not None else []
        function = site.function if site is not None else None
        if function is not None and any(isinstance(each, YIELDS) for each in walk_own(function)):
            callee = UNKNOWN  # what reads the generator does its work, not the call
    return None
