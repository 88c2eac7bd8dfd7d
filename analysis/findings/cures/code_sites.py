"""A line of the user's source, with its function and its statement."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import EXPRESSIONS, find_own_packages
from analysis.findings.source_code import ParsedSource, get_last_name, parse_source

CodeFunction = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
AWAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith)
YIELDS = (ast.Yield, ast.YieldFrom)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
CANCEL_SCOPES = frozenset({"fail_after", "move_on_after", "CancelScope"})
"""Contexts that need an event loop, and fail in a thread."""
HOLDS_NOTHING = CANCEL_SCOPES | {
    "open", "suppress", "start_as_current_span", "start_span", "time", "timer", "catch_warnings",
    "TemporaryDirectory", "NamedTemporaryFile",
}  # fmt: skip
"""Contexts for which no other request waits."""
UNKNOWN = (
    "The source is not read, because the service's folder and start are unknown: start it with "
    "`python -m asgi_probe run`, which notes both."
)


@dataclass(frozen=True, slots=True)
class CodeSite:
    """file: as the finding names it. function: the innermost around the line. has_anyio: whether
    the service has it."""

    file: str
    line: int
    source: ParsedSource
    statement: ast.stmt
    function: CodeFunction | None
    has_anyio: bool

    @property
    def is_async(self) -> bool:
        return isinstance(self.function, ast.AsyncFunctionDef)

    @property
    def indent(self) -> str:
        text = self.source.lines[self.statement.lineno - 1]
        return text[: len(text) - len(text.lstrip())]

    @property
    def is_repeated(self) -> bool:
        """Whether the statement is inside a loop of its function."""
        return any(isinstance(each, LOOPS) for each in self.around)

    @property
    def around(self) -> Sequence[ast.stmt]:
        """The statements of its function that contain it, the outermost first."""
        body = self.function.body if self.function else ()
        return [each for each in descend(body, self.line) if each is not self.statement]

    @property
    def is_final(self) -> bool:
        """Whether a `finally` runs it: after a cancellation by anyio, an `await` there raises at
        once, and what it should close stays open."""
        blocks = (each for each in self.around if isinstance(each, ast.Try) and each.finalbody)
        return any(each.finalbody[0].lineno <= self.line for each in blocks)

    @property
    def holder(self) -> ast.With | None:
        """The outermost `with` around it that awaits nothing yet, and may hold a lock or a
        connection: after an `await` in it, another request could block the event loop for good."""
        found = (each for each in self.around if isinstance(each, ast.With) and may_hold(each))
        return next(found, None)


def find_site(
    evidence: AuditEvidence, file: str | None, line: int | None, function: str | None = None
) -> CodeSite | None:
    """Return None if the source is missing, newer than the audit, different at this line, or has
    several statements in it.

    function: as the finding names it; it must contain the line.
    """
    source = read_source(evidence, file)
    if source is None or file is None or line is None:
        return None
    around = list(descend(source.tree.body, line))
    if sum(find_header_end(each) >= line for each in around) != 1:
        return None
    functions = [each for each in around if isinstance(each, CodeFunction)]
    inner = functions[-1] if functions else None
    name = (function or "").rpartition(".")[2]
    if name and name not in EXPRESSIONS and (inner is None or inner.name != name):
        return None
    has_anyio = any("anyio" in each.versions for each in evidence.record.processes)
    return CodeSite(file, line, source, around[-1], inner, has_anyio)


def read_source(evidence: AuditEvidence, file: str | None) -> ParsedSource | None:
    """Return None if the source cannot be read, or was written after the service started: its lines
    may differ from those that ran."""
    if not knows_source(evidence) or file is None:
        return None
    path = locate_source(evidence, file)
    started = datetime.fromisoformat(evidence.record.started_utc).timestamp()
    try:
        if path.stat().st_mtime > started:
            return None
    except OSError:
        return None
    return parse_source(str(path))


def locate_source(evidence: AuditEvidence, file: str) -> Path:
    """file: as a finding names it, from the user's folder or from that of installed packages."""
    for package in map(Path, find_own_packages(evidence.endpoints)):
        if file.partition("/")[0] == package.name:
            return package.parent / file
    return Path(evidence.record.folder) / file


def knows_source(evidence: AuditEvidence) -> bool:
    """Return False without the service's folder, or its start: the source may be a newer one."""
    return bool(evidence.record.folder and evidence.record.started_utc)


def describe_unread(evidence: AuditEvidence, reason: str) -> str:
    """Say why the source is not known. reason: if the audit knows where to look for it."""
    return reason if knows_source(evidence) else UNKNOWN


def descend(body: Sequence[ast.stmt], line: int) -> Iterator[ast.stmt]:
    """Yield the statements around the line, the outermost first."""
    for each in body:
        if find_first_line(each) <= line <= (each.end_lineno or each.lineno):
            yield each
            for inner in list_bodies(each):
                yield from descend(inner, line)


def find_first_line(node: ast.stmt) -> int:
    """Include decorators: the interpreter counts them as part of the function."""
    if not isinstance(node, CodeFunction | ast.ClassDef) or not node.decorator_list:
        return node.lineno
    return node.decorator_list[0].lineno


def find_header_end(node: ast.stmt) -> int:
    """Return the last line before the body; for a simple statement, its last line."""
    if not any(list_bodies(node)):
        return node.end_lineno or node.lineno
    parts = (each for part in list_header(node) for each in ast.walk(part))
    return max([node.lineno, *(getattr(each, "end_lineno", 0) for each in parts)])


def list_bodies(node: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, ())
    for name in ("handlers", "cases"):
        yield from (each.body for each in getattr(node, name, ()))


def is_all_of_block(source: ParsedSource, statement: ast.stmt) -> bool:
    """Return True if a comment in its place would leave an empty block."""
    blocks = (each for each in ast.walk(source.tree) if isinstance(each, ast.stmt))
    return any([*body] == [statement] for each in blocks for body in list_bodies(each))


def list_header(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield the parts of a statement outside its body."""
    bodies = {id(each) for body in list_bodies(node) for each in body}
    for child in ast.iter_child_nodes(node):
        if id(child) not in bodies and not isinstance(child, ast.excepthandler | ast.match_case):
            yield child


def may_hold(block: ast.With) -> bool:
    calls = [each.context_expr for each in block.items]
    names = {get_last_name(each.func) if isinstance(each, ast.Call) else None for each in calls}
    return not (names <= HOLDS_NOTHING or any(isinstance(each, AWAITS) for each in ast.walk(block)))


def has_scope(block: ast.With) -> bool:
    """Return True if the block, or one in it, needs the event loop."""
    calls = (each.func for each in ast.walk(block) if isinstance(each, ast.Call))
    return any(get_last_name(each) in CANCEL_SCOPES for each in calls)


def map_parents(tree: ast.AST) -> Mapping[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def list_uses(scope: ast.AST, name: str) -> Iterator[ast.Name]:
    for each in ast.walk(scope):
        if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Load):
            yield each


def walk_own(
    function: CodeFunction, scopes: tuple[type[ast.AST], ...] = SCOPES
) -> Iterator[ast.AST]:
    """Yield the function's nodes, without those of nested functions and classes."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, scopes):
            pending += ast.iter_child_nodes(node)


def has_await(function: CodeFunction) -> bool:
    """Return True if it awaits anything, including asynchronous comprehensions."""
    return any(
        isinstance(each, AWAITS) or (isinstance(each, ast.comprehension) and bool(each.is_async))
        for each in walk_own(function)
    )
