"""What a `def` that needs no thread, or keeps one for long, becomes: a coroutine."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.cures.code_sites import (
    CodeFunction,
    CodeSite,
    descend,
    find_site,
    walk_own,
)
from analysis.findings.cures.edits import LineEdit, edit_def
from analysis.findings.cures.find_awaiting import AwaitingSite
from analysis.findings.cures.write_twin import write_twin
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, CureRule
from analysis.findings.source_code import get_last_name

MOST_LINES = 12
"""Of a function that is shown as a whole."""
NO_HOP = "On the event loop it needs no thread, and no hand-over."
MAKES_OBJECT = (
    "The object is made in a thread: an `async def` dependency that returns it is made on the "
    "event loop."
)
CALLED = "Other code of the file calls it as a function: as a coroutine it would have to await it."
UNREAD = "The source of the function is not there, or was changed after the service had started."
AWAIT_TOO = "Whatever else waits in it must be awaited too, or it blocks the event loop."


def cure_trivial_def(finding: AuditFinding, evidence: AuditEvidence, rule: CureRule) -> Cure | str:
    if (finding.function or "").endswith("__init__"):
        comment = "# make it in an `async def` dependency that returns it"
        return Cure(finding.file, finding.line, (), (comment,), MAKES_OBJECT, rule)
    site = find_function(finding, evidence)
    if site is None or not isinstance(site.function, ast.FunctionDef):
        return UNREAD
    if is_called(site, site.function):
        return CALLED
    edit = edit_def(site.source, site.function)
    if edit is None:
        return UNREAD
    return Cure(
        site.file, edit.line, edit.before, edit.after, NO_HOP, rule,
        saves_ms=finding.median_ms, costs_ms=0.0,
    )  # fmt: skip


def cure_pinning_def(
    finding: AuditFinding, evidence: AuditEvidence, advice: str, rule: CureRule
) -> Cure | str:
    """Where all that it waits for has a twin that can be awaited, the whole function."""
    site = find_function(finding, evidence)
    if site is None or not isinstance(site.function, ast.FunctionDef):
        comment = "# make this asynchronous"
        return Cure(finding.file, finding.line, (), (comment,), advice, rule)
    edit = edit_whole(site, site.function)
    if edit is not None and not is_called(site, site.function):
        needs = f" Add `{edit.missing}`." if edit.missing else ""
        reason = f"It then keeps no thread while it waits. {AWAIT_TOO}{needs}"
        return Cure(site.file, edit.line, edit.before, edit.after, reason, rule, costs_ms=0.0)
    line = edit_def(site.source, site.function)
    if line is None:
        return UNREAD
    return Cure(site.file, line.line, line.before, line.after, f"{advice} {AWAIT_TOO}", rule)


def find_function(finding: AuditFinding, evidence: AuditEvidence) -> CodeSite | None:
    """By a line of it, or by its first one, which may be its decorator's."""
    return find_site(evidence, finding.file, finding.line, finding.function)


def is_called(site: CodeSite, function: CodeFunction) -> bool:
    """Whether the file itself calls it by its name: a coroutine would not run there. A response
    takes both kinds of generators."""
    nodes = list(ast.walk(site.source.tree))
    calls = [each for each in nodes if isinstance(each, ast.Call)]
    streamed = {
        id(argument)
        for each in calls
        if (get_last_name(each.func) or "").endswith("Response")
        for argument in each.args
    }
    return any(
        get_last_name(each.func) == function.name and id(each) not in streamed for each in calls
    )


def edit_whole(site: CodeSite, function: ast.FunctionDef) -> LineEdit | None:
    """`async def`, and each call that has a twin awaited. None where there is no such call, or the
    function is too long for a hint."""
    first, last = function.lineno, function.end_lineno or function.lineno
    head = edit_def(site.source, function)
    edits = list(list_twins(site, function))
    if head is None or not edits or last - first >= MOST_LINES:
        return None
    lines = list(site.source.lines[first - 1 : last])
    for edit in (head, *edits):
        lines[edit.line - first] = edit.after[0]
    missing = next((each.missing for each in edits if each.missing), None)
    return LineEdit(first, site.source.lines[first - 1 : last], tuple(lines), missing)


def list_twins(site: CodeSite, function: ast.FunctionDef) -> Iterator[LineEdit]:
    for node in walk_own(function):
        if isinstance(node, ast.Call):
            statement = list(descend(function.body, node.lineno))[-1]
            line = replace(site, line=node.lineno, statement=statement)
            twin = write_twin(AwaitingSite(line, get_last_name(node.func), None))
            if twin is not None and len(twin.edit.before) == len(twin.edit.after) == 1:
                yield twin.edit
