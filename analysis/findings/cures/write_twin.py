"""Replace a blocking call by its awaitable version."""

import ast
from dataclasses import replace
from typing import NamedTuple

from analysis.findings.cures.code_sites import walk_own
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
from analysis.findings.source_code import (
    ParsedSource,
    find_assigned,
    get_last_name,
    resolve_call,
    split_name,
)

OTHER_CLIENT = f"http_{CLIENT}"
BODIES = ("data", "content")
ERRORS = ("Exception", "Error", "Timeout", "Redirects")
"""Ends of the names of exceptions."""
SYSTEM_ERRORS = frozenset({"OSError", "IOError", "EnvironmentError"})
"""They include all exceptions of requests, and none of httpx."""


class TwinEdit(NamedTuple):
    edit: LineEdit
    reason: str


def write_twin(found: AwaitingSite) -> TwinEdit | None:
    """Return None if the call has no twin, or if its arguments mean something else there."""
    site = found.site
    call = find_call(site, found.callee)
    full = call and resolve_call(site.source, call)
    twin = TWINS.get(full or "")
    if call is None or twin is None or not fits(call, twin) or uses_unlike(found, twin):
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
    reason = f"{reason} {twin.note}".rstrip().replace(f"`{CLIENT}`", f"`{name.split('.')[0]}`")
    return TwinEdit(replace(edit, missing=missing), reason)


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
        and (twin.awaited != "anyio.run_process" or is_command_list(call))
    )


def is_plain_body(keyword: ast.keyword) -> bool:
    """An open file or an iterator cannot be sent by a client that awaits."""
    return isinstance(keyword.value, ast.Dict | ast.Constant | ast.JoinedStr)


def is_command_list(call: ast.Call) -> bool:
    """A text is a program's name for subprocess, and a shell's command for anyio."""
    return bool(call.args) and isinstance(call.args[0], ast.List)


def uses_unlike(found: AwaitingSite, twin: Twin) -> bool:
    """Return True if the function uses what the twin's result lacks, or if the file names
    exceptions that the twin does not raise."""
    function = found.site.function
    nodes = walk_own(function) if function is not None else ()
    is_other = any(isinstance(each, ast.Attribute) and each.attr in twin.unlike for each in nodes)
    if is_other or twin.note != REQUESTS_NOTE:
        return is_other
    return names_errors(found.site.source) or is_tested(found, find_call(found.site, found.callee))


def is_tested(found: AwaitingSite, call: ast.Call | None) -> bool:
    """Return True if its truth may be asked for: a response of requests is false after an error."""
    function, statement = found.site.function, found.site.statement
    names = set(find_assigned(statement))
    tests: list[ast.expr] = []
    for each in walk_own(function) if function is not None else ():
        if isinstance(each, ast.If | ast.While | ast.IfExp | ast.Assert):
            tests.append(each.test)
        elif isinstance(each, ast.UnaryOp):
            tests.append(each.operand)
        elif isinstance(each, ast.BoolOp):
            tests += each.values
        elif isinstance(each, ast.Call) and get_last_name(each.func) == "bool":
            tests += each.args
    values = (each.value if isinstance(each, ast.NamedExpr) else each for each in tests)
    return any(each is call or (isinstance(each, ast.Name) and each.id in names) for each in values)


def names_errors(source: ParsedSource) -> bool:
    """Return True if the file names an exception of requests, or one that includes them."""
    for each in ast.walk(source.tree):
        root, path = split_name(each) if isinstance(each, ast.Name | ast.Attribute) else (None, [])
        full = ".".join([source.imports.get(root or "", root or ""), *path])
        is_error = full.startswith("requests.exceptions.") or full.endswith(ERRORS)
        if full in SYSTEM_ERRORS or (full.startswith("requests.") and is_error):
            return True
    return False
