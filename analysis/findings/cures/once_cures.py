"""The cure for an object that each request creates and all could share."""

import ast
from dataclasses import replace
from textwrap import dedent, indent

from analysis.findings.base import PlaceFields
from analysis.findings.cures.code_sites import CodeSite, find_site
from analysis.findings.cures.edits import LineEdit, quote
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.source_code import get_last_name

MOST_LINES = 12
"""Longest `with` that is removed, including its body."""
SHARE = "A single {} created at startup serves all requests."
THINGS = {"context": "TLS context", "client": "client", "session": "client", "executor": "executor"}
"""What a call creates, by the end of its name."""
POOLED = "# take it from a connection pool that is created at startup"
KEEPS = "A pool keeps the connection for the next request."
ONCE = "# once, at startup"


def cure_made_thing(
    place: PlaceFields, evidence: AuditEvidence, maker: str | None, made_ms: float | None
) -> Cure:
    """maker: the last name of the creating call; None for the only call. made_ms: its duration."""
    file, line = place["file"], place["line"]
    cure = Cure(
        file, line, (), (f"{ONCE}: create it, and share it",), SHARE.format(name_thing(maker)),
        "client-life", saves_ms=made_ms, costs_ms=0.0,
    )  # fmt: skip
    site = find_site(evidence, file, line, place["function"])
    if site is None:
        return cure
    edit = take_out(site, maker)
    if edit is None:
        return replace(cure, after=(site.indent + cure.after[0],))
    return replace(cure, line=edit.line, before=edit.before, after=edit.after)


def name_thing(maker: str | None) -> str:
    named = (each for end, each in THINGS.items() if (maker or "").lower().endswith(end))
    return next(named, "object")


def cure_connection(place: PlaceFields, evidence: AuditEvidence, made_ms: float | None) -> Cure:
    """Propose a pool: a database connection serves one request at a time."""
    file, line = place["file"], place["line"]
    site = find_site(evidence, file, line, place["function"])
    comment = f"{site.indent if site else ''}{POOLED}"
    return Cure(file, line, (), (comment,), KEEPS, "client-life", saves_ms=made_ms)


def take_out(site: CodeSite, maker: str | None) -> LineEdit | None:
    """Turn the assignment that creates it into a comment; keep the body of a `with`. Return None if
    the statement does more."""
    statement = site.statement
    if isinstance(statement, ast.Assign) and is_made(statement.value, maker):
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        text = f"{site.indent}{ONCE}: {site.source.lines[first - 1].strip()}"
        lines = site.source.lines[first - 1 : last]
        return LineEdit(first, lines, (text,)) if len(lines) == 1 else None
    if isinstance(statement, ast.With | ast.AsyncWith) and len(statement.items) == 1:
        return take_out_of_with(site, statement, maker)
    return None


def take_out_of_with(
    site: CodeSite, statement: ast.With | ast.AsyncWith, maker: str | None
) -> LineEdit | None:
    (item,) = statement.items
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    begin = statement.body[0].lineno
    name = item.optional_vars
    if not is_made(item.context_expr, maker) or not isinstance(name, ast.Name):
        return None
    if last - first >= MOST_LINES or begin == first or has_long_text(statement):
        return None
    body = dedent("\n".join(site.source.lines[begin - 1 : last]))
    made = " ".join(quote(site.source, item.context_expr).split())
    after = f"{ONCE}: {name.id} = {made}\n{body}"
    lines = indent(after, site.indent).splitlines()
    return LineEdit(first, site.source.lines[first - 1 : last], tuple(lines))


def is_made(node: ast.expr, maker: str | None) -> bool:
    return isinstance(node, ast.Call) and maker in (None, get_last_name(node.func))


def has_long_text(statement: ast.stmt) -> bool:
    """Return True for a multi-line string: indenting it would change its content."""
    return any(
        isinstance(each, ast.Constant | ast.JoinedStr) and each.lineno != each.end_lineno
        for each in ast.walk(statement)
    )
