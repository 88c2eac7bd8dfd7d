"""The cure for a `def` that needs no thread or holds one for long: a coroutine."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.cures.code_sites import (
    CodeSite,
    descend,
    describe_unread,
    find_site,
    walk_own,
)
from analysis.findings.cures.edits import LineEdit, edit_def
from analysis.findings.cures.find_awaiting import AwaitingSite, is_only_registered
from analysis.findings.cures.find_calls import CHECK_FILES, is_called
from analysis.findings.cures.write_twin import TwinEdit, write_twin
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, CureRule
from analysis.findings.source_code import get_last_name, resolve_call

MOST_LINES = 12
"""Longest function that is shown as a whole."""
NO_HOP = f"On the event loop it needs no thread. {CHECK_FILES}"
MAKES_OBJECT = (
    "The object is created in a thread; an `async def` dependency that returns it creates it on "
    "the event loop."
)
CALLED = "Other code calls it or passes it on, and would have to await a coroutine."
WRAPPED = "Its decorator wraps it, and would have to await a coroutine."
DELEGATES = "An `async def` that yields may not contain `yield from` or return a value."
IN_THREAD = "It calls the event loop from its thread: in a coroutine, await that call instead."
NEEDS_THREAD = ("anyio.from_thread.", "anyio.run", "asyncio.run", "asgiref.sync.")
"""Functions that run or call an event loop, and fail on one."""
UNREAD = "The source of the function was not found, or was changed after the service started."
AWAIT_TOO = (
    "Every other call in it that waits must be awaited too, or it blocks the event loop. "
    f"{CHECK_FILES}"
)


def cure_trivial_def(finding: AuditFinding, evidence: AuditEvidence, rule: CureRule) -> Cure | str:
    if (finding.function or "").endswith("__init__"):
        comment = "# create it in an `async def` dependency that returns it"
        return Cure(finding.file, finding.line, (), (comment,), MAKES_OBJECT, rule)
    site = find_function(finding, evidence)
    if site is None or not isinstance(site.function, ast.FunctionDef):
        return describe_unread(evidence, UNREAD)
    if hindrance := find_hindrance(site, site.function, evidence):
        return hindrance
    edit = edit_def(site.source, site.function)
    if edit is None:
        return describe_unread(evidence, UNREAD)
    return Cure(
        site.file, edit.line, edit.before, edit.after, NO_HOP, rule,
        saves_ms=finding.median_ms, costs_ms=0.0,
    )  # fmt: skip


def cure_pinning_def(
    finding: AuditFinding, evidence: AuditEvidence, advice: str, rule: CureRule
) -> Cure:
    """Rewrite the whole function if calls in it have awaitable versions, or else comment on it."""
    site = find_function(finding, evidence)
    cure = Cure(finding.file, finding.line, (), ("# make this asynchronous",), advice, rule)
    if site is None or not isinstance(site.function, ast.FunctionDef):
        return cure
    if hindrance := find_hindrance(site, site.function, evidence):
        return replace(cure, reason=f"{advice} {hindrance}")
    twins = list(list_twins(site, site.function, evidence))
    edit = edit_whole(site, site.function, [each.edit for each in twins])
    if edit is not None:
        needs = [f"Add `{each.edit.missing}`." for each in twins if each.edit.missing]
        notes = dict.fromkeys([*(each.note for each in twins if each.note), *needs])
        reason = " ".join(["It then holds no thread while it waits.", AWAIT_TOO, *notes])
        return Cure(site.file, edit.line, edit.before, edit.after, reason, rule, costs_ms=0.0)
    return replace(cure, reason=f"{advice} {AWAIT_TOO}")


def find_function(finding: AuditFinding, evidence: AuditEvidence) -> CodeSite | None:
    """Find the function by one of its lines or by its first line, which may be a decorator's."""
    return find_site(evidence, finding.file, finding.line, finding.function)


def find_hindrance(
    site: CodeSite, function: ast.FunctionDef, evidence: AuditEvidence
) -> str | None:
    """Return why the function cannot become a coroutine; None if it can."""
    nodes = list(walk_own(function))
    calls = (resolve_call(site.source, each) for each in nodes if isinstance(each, ast.Call))
    if not is_only_registered(function):
        return WRAPPED
    if any(isinstance(each, ast.YieldFrom) for each in nodes) or yields_and_returns(nodes):
        return DELEGATES
    if any((each or "").startswith(NEEDS_THREAD) for each in calls):
        return IN_THREAD
    return CALLED if is_called(site, function, evidence) else None


def yields_and_returns(nodes: Sequence[ast.AST]) -> bool:
    returns = any(isinstance(each, ast.Return) and each.value is not None for each in nodes)
    return returns and any(isinstance(each, ast.Yield) for each in nodes)


def edit_whole(
    site: CodeSite, function: ast.FunctionDef, edits: Sequence[LineEdit]
) -> LineEdit | None:
    """Write `async def`, and make the edits, which await calls in it. Return None if there are
    none, if a line has two, or if the function is too long for a hint."""
    first, last = function.lineno, function.end_lineno or function.lineno
    head = edit_def(site.source, function)
    is_twice = len({each.line for each in edits}) < len(edits)
    if head is None or not edits or is_twice or last - first >= MOST_LINES:
        return None
    lines = list(site.source.lines[first - 1 : last])
    for edit in (head, *edits):
        lines[edit.line - first] = edit.after[0]
    return LineEdit(first, site.source.lines[first - 1 : last], tuple(lines))


def list_twins(
    site: CodeSite, function: ast.FunctionDef, evidence: AuditEvidence
) -> Iterator[TwinEdit]:
    for node in walk_own(function):
        if isinstance(node, ast.Call):
            statement = list(descend(function.body, node.lineno))[-1]
            line = replace(site, line=node.lineno, statement=statement)
            twin = write_twin(AwaitingSite(line, get_last_name(node.func), None), evidence)
            if twin is not None and len(twin.edit.before) == len(twin.edit.after) == 1:
                yield twin
