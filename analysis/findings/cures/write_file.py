"""Rewrite a `with open(...)` so that the file is read and written in threads."""

import ast
from collections.abc import Collection, Mapping
from typing import NamedTuple

from analysis.findings.cures.code_sites import SCOPES, descend, map_parents, may_hold
from analysis.findings.cures.edits import (
    LAZY,
    LineEdit,
    find_call,
    is_begin_of,
    list_ancestors,
    list_calls,
    quote,
    spell,
)
from analysis.findings.cures.find_awaiting import AwaitingSite
from analysis.findings.source_code import ParsedSource, resolve_call

OPEN = "anyio.open_file"
METHODS = frozenset(
    {"read", "readline", "readlines", "write", "writelines", "seek", "tell", "truncate", "flush"}
)
"""File methods that anyio's files have, too, to be awaited."""
LOOPS = (*LAZY, ast.For, ast.AsyncFor, ast.While)
"""In them, each pass needs an offloaded call. In a nested function, or in a `with` that may hold a
lock, nothing can be awaited."""
MOST_LINES = 8


class FileEdit(NamedTuple):
    """hops: offloaded calls."""

    edit: LineEdit
    hops: int


class Splice(NamedTuple):
    """An edit in one line, in bytes."""

    line: int
    begin: int
    end: int
    text: str


def write_file(found: AwaitingSite) -> FileEdit | None:
    """Return None if the line is in no such `with`, or if the file is used for anything but simple
    method calls, or if another call in the line blocks."""
    site = found.site
    if site.holder is not None or site.is_final or not site.has_anyio:
        return None
    body = site.function.body if site.function else []
    opened = [each for each in descend(body, site.line) if isinstance(each, ast.With)]
    if not opened or len(opened[-1].items) != 1:
        return None
    block, (item,) = opened[-1], opened[-1].items
    call, name = item.context_expr, item.optional_vars
    if not isinstance(call, ast.Call) or not isinstance(name, ast.Name):
        return None
    uses = find_uses(block, name.id)
    first, last = block.lineno, block.end_lineno or block.lineno
    is_short = last - first < MOST_LINES and call.lineno == call.end_lineno == first
    if not uses or not is_short or resolve_call(site.source, call) != "open":
        return None
    if not may_block(found, (call, *uses)):
        return None
    opener, missing = spell(site.source, OPEN)
    arguments = quote(site.source, call).partition("(")[2]
    begin = block.col_offset
    splices = [
        Splice(first, begin, begin, "async "),
        Splice(first, call.col_offset, call.end_col_offset or 0, f"await {opener}({arguments}"),
        *(await_use(site.source, use, is_begun) for use, is_begun in uses.items()),
    ]
    lines = site.source.lines[first - 1 : last]
    after = tuple(splice_line(text, first + at, splices) for at, text in enumerate(lines))
    return FileEdit(LineEdit(first, lines, after, missing), len(uses) + 2)


def may_block(found: AwaitingSite, calls: Collection[ast.Call]) -> bool:
    """Return True if one of these calls blocks, or if unknown C code in its line does."""
    blocking = find_call(found.site, found.callee)
    is_unknown = blocking is None and found.callee is None
    return any(each in calls for each in (list_calls(found.site) if is_unknown else [blocking]))


def find_uses(block: ast.With, name: str) -> Mapping[ast.Call, bool]:
    """Map calls of the file's methods to whether the expression continues after each. Empty if the
    file is used in any other way, in a loop, or by one call inside another."""
    parents = map_parents(block)
    found: dict[ast.Call, bool] = {}
    for node in ast.walk(block):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            call = find_method_call(node, parents)
            if call is None:
                return {}
            found[call] = is_begin_of(call, parents[call])
    is_nested = any(outer in found for each in found for outer in list_ancestors(each, parents))
    return {} if is_nested else found


def find_method_call(node: ast.Name, parents: Mapping[ast.AST, ast.AST]) -> ast.Call | None:
    attribute, call, *around = list_ancestors(node, parents)
    if not isinstance(attribute, ast.Attribute) or attribute.attr not in METHODS:
        return None
    if not isinstance(call, ast.Call) or call.func is not attribute:
        return None
    is_lasting = any(
        isinstance(each, (*LOOPS, *SCOPES)) or (isinstance(each, ast.With) and may_hold(each))
        for each in around
    )
    return None if is_lasting or call.lineno != call.end_lineno else call


def await_use(source: ParsedSource, call: ast.Call, is_begun: bool) -> Splice:
    text = f"await {quote(source, call)}"
    text = f"({text})" if is_begun else text
    return Splice(call.lineno, call.col_offset, call.end_col_offset or 0, text)


def splice_line(text: str, line: int, splices: list[Splice]) -> str:
    """Apply the last splice first, so that the positions of the other splices stay valid."""
    encoded = text.encode()
    for each in sorted((each for each in splices if each.line == line), key=get_begin):
        encoded = encoded[: each.begin] + each.text.encode() + encoded[each.end :]
    return encoded.decode()


def get_begin(splice: Splice) -> int:
    return -splice.begin
