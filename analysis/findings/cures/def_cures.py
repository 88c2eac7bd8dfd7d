"""The cure for a `def` that needs no thread or holds one for long: a coroutine."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.cures.code_sites import (
    CodeFunction,
    CodeSite,
    descend,
    describe_unread,
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
"""Longest function that is shown as a whole."""
NO_HOP = "On the event loop it needs no thread."
MAKES_OBJECT = (
    "The object is created in a thread; an `async def` dependency that returns it creates it on "
    "the event loop."
)
CALLED = "Other code in this file calls it, and would have to await a coroutine."
UNREAD = "The source of the function was not found, or was changed after the service started."
AWAIT_TOO = "Every other call in it that waits must be awaited too, or it blocks the event loop."


def cure_trivial_def(finding: AuditFinding, evidence: AuditEvidence, rule: CureRule) -> Cure | str:
    if (finding.function or "").endswith("__init__"):
        comment = "# create it in an `async def` dependency that returns it"
        return Cure(finding.file, finding.line, (), (comment,), MAKES_OBJECT, rule)
    site = find_function(finding, evidence)
    if site is None or not isinstance(site.function, ast.FunctionDef):
        return describe_unread(evidence, UNREAD)
    if is_called(site, site.function):
        return CALLED
    edit = edit_def(site.source, site.function)
    if edit is None:
        return describe_unread(evidence, UNREAD)
    return Cure(
        site.file, edit.line, edit.before, edit.after, NO_HOP, rule,
        saves_ms=finding.median_ms, costs_ms=0.0,
    )  # fmt: skip


def cure_pinning_def(
    finding: AuditFinding, evidence: AuditEvidence, advice: str, rule: CureRule
) -> Cure | str:
    """Rewrite the whole function if every call that waits has an awaitable version."""
    site = find_function(finding, evidence)
    if site is None or not isinstance(site.function, ast.FunctionDef):
        comment = "# make this asynchronous"
        return Cure(finding.file, finding.line, (), (comment,), advice, rule)
    edit = edit_whole(site, site.function)
    if edit is not None and not is_called(site, site.function):
        needs = f" Add `{edit.missing}`." if edit.missing else ""
        reason = f"It then holds no thread while it waits. {AWAIT_TOO}{needs}"
        return Cure(site.file, edit.line, edit.before, edit.after, reason, rule, costs_ms=0.0)
    line = edit_def(site.source, site.function)
    if line is None:
        return describe_unread(evidence, UNREAD)
    return Cure(site.file, line.line, line.before, line.after, f"{advice} {AWAIT_TOO}", rule)


def find_function(finding: AuditFinding, evidence: AuditEvidence) -> CodeSite | None:
    """Find the function by one of its lines or by its first line, which may be a decorator's."""
    return find_site(evidence, finding.file, finding.line, finding.function)


def is_called(site: CodeSite, function: CodeFunction) -> bool:
    """Return True if the file itself calls it by name: a coroutine would not run there. A response
    accepts both kinds of generators."""
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
    """Write `async def`, and await each call with an awaitable version. Return None if there is no
    such call, or if the function is too long for a hint."""
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
