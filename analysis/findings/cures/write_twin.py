"""Replace a blocking call by its awaitable version."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

from analysis.findings.cures.code_sites import list_uses, map_parents
from analysis.findings.cures.edits import (
    LAZY,
    LineEdit,
    find_call,
    is_begin_of,
    list_ancestors,
    list_parents,
    quote,
    replace_text,
    spell,
)
from analysis.findings.cures.find_awaiting import AwaitingSite
from analysis.findings.cures.twins import CLIENT, REQUESTS_NOTE, TWINS, Twin
from analysis.findings.evidence import AuditEvidence
from analysis.findings.source_code import (
    ParsedSource,
    parse_source,
    resolve_call,
    split_name,
)

REBINDS = (ast.Global, ast.Nonlocal)
OTHER_CLIENT = f"http_{CLIENT}"
BODIES = ("data", "content")
PAIRS = ("headers", "cookies")
"""Arguments of which requests drops a None, and httpx raises a TypeError."""
ERRORS = ("Exception", "Error", "Timeout", "Redirects")
"""Ends of the names of exceptions."""
SYSTEM_ERRORS = frozenset({"OSError", "IOError", "EnvironmentError"})
"""They include all exceptions of requests, and none of httpx."""


class TwinEdit(NamedTuple):
    """note: what the app needs for it."""

    edit: LineEdit
    reason: str
    note: str


def write_twin(found: AwaitingSite, evidence: AuditEvidence) -> TwinEdit | None:
    """Return None if the call has no twin, or if its arguments or result mean something else
    there."""
    site = found.site
    call = find_call(site, found.callee)
    full = call and resolve_call(site.source, call)
    twin = TWINS.get(full or "")
    if call is None or twin is None or not fits(call, twin):
        return None
    if twin.like and not is_used_alike(found, call, twin.like):
        return None
    if twin.note == REQUESTS_NOTE and any(map(names_errors, list_sources(found, evidence))):
        return None
    if (
        site.is_final
        or site.holder is not None
        or (twin.awaited.startswith("anyio.") and not site.has_anyio)
    ):
        return None
    parents = list_parents(site.statement)
    ancestors = list(list_ancestors(call, parents))
    if any(isinstance(each, (*LAZY, ast.Await, ast.withitem)) for each in ancestors):
        return None  # its result is no context manager
    is_begun = bool(twin.suffix) or (bool(ancestors) and is_begin_of(call, ancestors[0]))
    name, missing = name_twin(found, twin)
    text = write_call(found, call, twin, name)
    edit = replace_text(site.source, call, f"({text}){twin.suffix}" if is_begun else text)
    if edit is None:
        return None
    reason = f"{twin.awaited} can be awaited: the event loop keeps running."
    note = twin.note.replace(f"`{CLIENT}`", f"`{name.split('.')[0]}`")
    return TwinEdit(replace(edit, missing=missing), f"{reason} {note}".rstrip(), note)


def name_twin(found: AwaitingSite, twin: Twin) -> tuple[str, str | None]:
    """Return how the file must write it, and the import that it needs."""
    source = found.site.source
    if not twin.awaited.startswith(f"{CLIENT}."):
        return spell(source, twin.awaited)
    is_taken = CLIENT in source.assigned or CLIENT in source.imports
    verb = twin.awaited.removeprefix(CLIENT)
    return f"{OTHER_CLIENT if is_taken else CLIENT}{verb}", None


def write_call(found: AwaitingSite, call: ast.Call, twin: Twin, name: str) -> str:
    source = found.site.source
    parts = [quote(source, each) for each in call.args]
    parts += [f"{each.arg}={quote(source, each.value)}" for each in call.keywords]
    given = {each.arg for each in call.keywords}
    parts += [f"{key}={value}" for key, value in twin.defaults if key not in given]
    return f"await {name}({', '.join(parts)})"


def fits(call: ast.Call, twin: Twin) -> bool:
    """Reject further positional arguments: their meaning depends on their position."""
    return (
        len(call.args) <= 1
        and not any(isinstance(each, ast.Starred) for each in call.args)
        and all(each.arg in twin.keywords for each in call.keywords)
        and not any(isinstance(each.value, ast.Tuple) for each in call.keywords)
        and all(is_plain_body(each) for each in call.keywords if each.arg in BODIES)
        and (
            twin.note != REQUESTS_NOTE
            or all(has_texts(each) for each in call.keywords if each.arg in PAIRS)
        )
        and (twin.awaited != "anyio.run_process" or is_command_list(call))
    )


def is_plain_body(keyword: ast.keyword) -> bool:
    """An open file or an iterator cannot be sent by a client that awaits."""
    return isinstance(keyword.value, ast.Dict | ast.Constant | ast.JoinedStr)


def has_texts(keyword: ast.keyword) -> bool:
    """Return True for a dict whose values are certain to be texts."""
    return isinstance(keyword.value, ast.Dict) and all(
        isinstance(each, ast.JoinedStr)
        or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in keyword.value.values
    )


def is_command_list(call: ast.Call) -> bool:
    """A text is a program's name for subprocess, and a shell's command for anyio."""
    return bool(call.args) and isinstance(call.args[0], ast.List)


def is_used_alike(found: AwaitingSite, call: ast.Call, like: Collection[str]) -> bool:
    """Return True if the function reads only these attributes of the response. Whatever else gets
    it may use what differs: its truth, an exception's class, or close()."""
    function, statement = found.site.function, found.site.statement
    if function is None or any(isinstance(each, REBINDS) for each in ast.walk(function)):
        return False
    parents = map_parents(function)
    parent = parents[call]
    if parent is statement and isinstance(statement, ast.Expr):
        return True
    uses: list[ast.expr] = [call]
    if isinstance(parent, ast.Assign | ast.NamedExpr):
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        names = {each.id for each in targets if isinstance(each, ast.Name)}
        if len(names) != len(targets):
            return False
        uses = [each for name in names for each in list_uses(function, name)]
        uses += [parent] if isinstance(parent, ast.NamedExpr) else []
    readers = [parents[each] for each in uses]
    return all(isinstance(each, ast.Attribute) and each.attr in like for each in readers)


def list_sources(found: AwaitingSite, evidence: AuditEvidence) -> Iterator[ParsedSource]:
    """Yield the call's file, and those of endpoints, which may handle what it raises."""
    yield found.site.source
    sources = map(parse_source, {each.file for each in evidence.endpoints})
    yield from (each for each in sources if each is not None)


def names_errors(source: ParsedSource) -> bool:
    """Return True if the file names an exception of requests, or one that includes them."""
    for each in ast.walk(source.tree):
        root, path = split_name(each) if isinstance(each, ast.Name | ast.Attribute) else (None, [])
        full = ".".join([source.imports.get(root or "", root or ""), *path])
        is_error = full.startswith("requests.exceptions.") or full.endswith(ERRORS)
        if full in SYSTEM_ERRORS or (full.startswith("requests.") and is_error):
            return True
    return False
