"""Find where a blocking call can be awaited: the line of the nearest coroutine on its stack."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.findings.base import ShownFrame
from analysis.findings.cures.blocked_code import BlockedCode, shorten_name
from analysis.findings.cures.code_sites import (
    YIELDS,
    CodeSite,
    find_site,
    has_await,
    walk_own,
)
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import BlockPlace
from analysis.findings.source_code import get_last_name

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
REGISTERS = frozenset(
    {
        "get", "post", "put", "patch", "delete", "head", "options", "trace", "route", "api_route",
        "exception_handler",
    }
)  # fmt: skip
"""Decorators that do not change the function."""
NEEDS_LOOP = frozenset(
    {
        "get_running_loop", "get_event_loop", "create_task", "ensure_future", "current_task",
        "call_soon", "call_later", "call_at",
    }
)  # fmt: skip
"""In a thread, they fail or refer to another loop."""


@dataclass(frozen=True, slots=True)
class AwaitingSite:
    """site: in a coroutine of the user's. callee: the function that its line calls; None if
    unknown. caller: what runs the coroutine."""

    site: CodeSite
    callee: str | None
    caller: ShownFrame | None

    def can_be_def(self, place: BlockPlace) -> bool:
        """Return True if the framework can run the whole function in a thread instead."""
        function = self.site.function
        if function is None or self.caller is None or has_await(function):
            return False
        called_by = self.caller.module, shorten_name(self.caller.function)
        return (
            place.phase in MAY_BE_DEF
            and called_by in CALLS_CODE
            and all(get_last_name(each) in REGISTERS for each in self.list_decorators())
            and not any(isinstance(each, YIELDS) for each in walk_own(function))
            and not any(self.needs_loop(each) for each in walk_own(function))
        )

    def needs_loop(self, node: ast.AST) -> bool:
        """Return True if it uses the event loop or a task of it."""
        if isinstance(node, ast.Name):
            full = self.site.source.imports.get(node.id, "")
            return full.startswith("asyncio.") and full.rpartition(".")[2] in NEEDS_LOOP
        return isinstance(node, ast.Attribute) and node.attr in NEEDS_LOOP

    def list_decorators(self) -> Iterator[ast.expr]:
        """Yield the decorators without their arguments."""
        for each in self.site.function.decorator_list if self.site.function else ():
            yield each.func if isinstance(each, ast.Call) else each


def find_awaiting_site(code: BlockedCode, evidence: AuditEvidence) -> AwaitingSite | None:
    """Search outwards from the blocking place. Return None if the framework comes first, or if the
    source is missing."""
    place, callee = code.place, code.callee_name
    frames = [
        ShownFrame("", place.file or "", place.line or 0, place.function or ""),
        *code.callers,
    ]
    for index, frame in enumerate(frames):
        if frame.module.startswith(FRAMEWORKS):
            return None
        site = find_site(evidence, frame.file, frame.line, frame.function)
        if site is not None and site.is_async:
            return AwaitingSite(site, callee, next(iter(frames[index + 1 :]), None))
        callee = shorten_name(frame.function)
    return None
