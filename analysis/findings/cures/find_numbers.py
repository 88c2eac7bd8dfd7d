"""Find a number in the user's source that sets a size, such as CapacityLimiter(4)."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from analysis.findings.cures.code_sites import read_source
from analysis.findings.cures.edits import LineEdit, replace_text
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import shorten_file
from analysis.findings.source_code import ParsedSource, get_last_name

FindNumber = Callable[[ast.AST, ParsedSource], ast.expr | None]
POOL_MAKER = "current_default_thread_limiter"
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class FoundNumber:
    file: str
    source: ParsedSource
    node: ast.Constant

    def replace(self, number: int) -> LineEdit | None:
        return replace_text(self.source, self.node, str(number))


def find_number(
    evidence: AuditEvidence, file: str | None, size: float | None, find: FindNumber
) -> FoundNumber | None:
    """Return the only such number in the finding's file and in those of the endpoints; None if
    there are several. size: its required value; None for any."""
    folder = evidence.record.folder
    files = {file, *(shorten_file(each.file, folder) for each in evidence.endpoints)} - {None}
    found = [
        each
        for name in sorted(filter(None, files))
        for each in list_numbers(name, read_source(evidence, name), find)
        if size in (None, each.node.value)
    ]
    return found[0] if len(found) == 1 else None


def list_numbers(file: str, source: ParsedSource | None, find: FindNumber) -> Iterator[FoundNumber]:
    if source is None:
        return
    for node in ast.walk(source.tree):
        number = find(node, source)
        if isinstance(number, ast.Constant) and isinstance(number.value, int):
            yield FoundNumber(file, source, number)


def find_argument(function: str, keyword: str | None = None, place: int | None = 0) -> FindNumber:
    """Match the argument of a function's calls, by its keyword or its position."""

    def find(node: ast.AST, _: ParsedSource) -> ast.expr | None:
        if not isinstance(node, ast.Call) or get_last_name(node.func) != function:
            return None
        for each in node.keywords:
            if each.arg == keyword and keyword is not None:
                return each.value
        return node.args[place] if place is not None and len(node.args) > place else None

    return find


def find_pool_size(node: ast.AST, source: ParsedSource) -> ast.expr | None:
    """Match the size that the file gives anyio's pool, by its maker or a name for what it made."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    target = node.targets[0]
    if not isinstance(target, ast.Attribute) or target.attr != "total_tokens":
        return None
    made = [
        get_last_name(each.targets[0])
        for each in ast.walk(source.tree)
        if isinstance(each, ast.Assign) and POOL_MAKER in ast.unparse(each.value)
    ]
    is_pool = POOL_MAKER in ast.unparse(target.value) or get_last_name(target.value) in made
    return node.value if is_pool else None
