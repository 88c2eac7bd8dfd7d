"""The cure for an object that each request creates and all could share."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import replace

from analysis.findings.base import PlaceFields
from analysis.findings.cures.blocked_code import MAKE_TLS
from analysis.findings.cures.code_sites import (
    CodeFunction,
    CodeSite,
    descend,
    find_first_line,
    find_header_end,
    find_site,
    is_all_of_block,
    list_uses,
)
from analysis.findings.cures.edits import LineEdit, list_calls, quote
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.source_code import ParsedSource, find_assigned, get_last_name

MOST_LINES = 12
"""Longest `with` that is removed, including its body."""
SHARE = "A single {} created at startup serves all requests."
THINGS = {"context": "TLS context", "client": "client", "session": "client", "executor": "executor"}
"""What a call creates, by the end of its name."""
PASSED = ("context", "executor")
"""Ends of the names of what makes an object for other calls."""
POOLED = "# take it from a connection pool that is created at startup"
KEEPS = "A pool keeps the connection for the next request."
ONCE = "# once, at startup"
DIFFERS = "Pass to each call what differs between requests."
KEEPS_COOKIES = ("Client", "AsyncClient", "ClientSession", "Session")
"""What keeps the cookies of all responses, such as those of a login."""
COOKIES = "It also keeps the cookies of all responses: it must not log in for a single user."
CHANGES = frozenset(
    {
        "close", "aclose", "shutdown", "headers", "cookies", "auth", "params", "mount",
        "load_cert_chain", "load_verify_locations", "set_ciphers", "set_alpn_protocols",
    }
)  # fmt: skip
"""Attributes whose use ends the object, or may change it for the other requests."""


def cure_made_thing(
    place: PlaceFields, evidence: AuditEvidence, maker: str | None, made_ms: float | None
) -> Cure:
    """maker: the last name of the creating call; None for any class. made_ms: its duration."""
    file, line = place["file"], place["line"]
    cure = Cure(
        file, line, (), (f"{ONCE}: create it, and share it",), write_reason(maker),
        "client-life", saves_ms=made_ms, costs_ms=0.0,
    )  # fmt: skip
    site = find_site(evidence, file, line, place["function"])
    if site is None:
        return cure
    makers = (get_last_name(each.func) for each in list_calls(site))
    if maker is None and any(map(keeps_cookies, makers)):
        cure = replace(cure, reason=f"{cure.reason} {COOKIES}")
    edit = take_out(site, maker)
    if edit is None:
        reason = f"{cure.reason} {DIFFERS}"
        return replace(cure, after=(site.indent + cure.after[0],), reason=reason)
    return replace(cure, line=edit.line, before=edit.before, after=edit.after)


def write_reason(maker: str | None) -> str:
    reason = SHARE.format(name_thing(maker))
    return f"{reason} {COOKIES}" if keeps_cookies(maker) else reason


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
    the statement does more, or if the requests could not share the object."""
    statement = site.statement
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        if not is_shareable(site, statement.value, statement.targets[0], maker):
            return None
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        text = f"{site.indent}{ONCE}: {site.source.lines[first - 1].strip()}"
        lines = site.source.lines[first - 1 : last]
        is_line = len(lines) == 1 and not is_all_of_block(site.source, statement)
        return LineEdit(first, lines, (text,)) if is_line else None
    if isinstance(statement, ast.With | ast.AsyncWith) and len(statement.items) == 1:
        return take_out_of_with(site, statement, maker)
    return None


def take_out_of_with(
    site: CodeSite, statement: ast.With | ast.AsyncWith, maker: str | None
) -> LineEdit | None:
    (item,) = statement.items
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    begin = find_body_begin(site.source, statement)
    name = item.optional_vars
    if not isinstance(name, ast.Name) or not is_shareable(site, item.context_expr, name, maker):
        return None
    if last - first >= MOST_LINES or begin == first or has_long_text(statement):
        return None
    deeper = statement.body[0].col_offset - len(site.indent)
    body = site.source.lines[begin - 1 : last]
    outside = [each for each in body if each[:deeper].strip()]
    if not all(each.lstrip().startswith("#") for each in outside):
        return None  # the rest of a call that is not indented as far as the body
    made = " ".join(quote(site.source, item.context_expr).split())
    head = f"{site.indent}{ONCE}: {name.id} = {made}"
    after = (head, *(each if each in outside else each[deeper:] for each in body))
    return LineEdit(first, site.source.lines[first - 1 : last], after)


def find_body_begin(source: ParsedSource, statement: ast.With | ast.AsyncWith) -> int:
    """Return the line of its first statement, or of the comments before that."""
    begin, end = find_first_line(statement.body[0]), find_header_end(statement)
    while begin - 1 > end and source.lines[begin - 2].strip()[:1] in ("", "#"):
        begin -= 1
    return begin


def is_shareable(site: CodeSite, made: ast.expr, name: ast.expr, maker: str | None) -> bool:
    """Return True if the call creates the object from nothing of the request's own, and if the
    function only uses it."""
    around = descend(site.source.tree.body, site.line)
    outer: ast.AST = next((each for each in around if isinstance(each, CodeFunction)), made)
    scope, bound = site.function or outer, set(find_assigned(outer))
    return (
        isinstance(made, ast.Call)
        and is_maker(made, maker)
        and not any(is_of_request(each, bound) for each in ast.walk(made) if each is not made)
        and isinstance(name, ast.Name)
        and list(find_assigned(scope)).count(name.id) == 1
        and is_only_used(site.source, scope, name.id, get_last_name(made.func) or "")
    )


def keeps_cookies(maker: str | None) -> bool:
    return maker in KEEPS_COOKIES


def is_maker(call: ast.Call, maker: str | None = None) -> bool:
    name = get_last_name(call.func) or ""
    return name == maker if maker else name in MAKE_TLS or name[:1].isupper()


def is_of_request(node: ast.AST, local: Collection[str]) -> bool:
    """Return True if its value may differ between requests. local: names of functions around it."""
    if isinstance(node, ast.Name):
        return node.id in local
    return isinstance(node, ast.Await) or (isinstance(node, ast.Call) and not is_maker(node))


def is_only_used(source: ParsedSource | None, scope: ast.AST, name: str, maker: str) -> bool:
    """Return True if the code only calls or reads attributes of the object, or passes it to a
    function of the file (source) that does: other code may change it. Contexts and executors are
    there to be passed on."""
    uses = list(list_uses(scope, name))
    if keeps_cookies(maker) and len(uses) > 1:
        return False  # the second one may rely on what the first one left, as after a login
    is_passed = maker.lower().endswith(PASSED)
    used: set[ast.AST] = set()
    for each in ast.walk(scope):
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load):
            used |= {each.value} if each.attr not in CHANGES else set()
        elif isinstance(each, ast.Call) and is_passed:
            used |= {*each.args, *(keyword.value for keyword in each.keywords)}
        elif isinstance(each, ast.Call) and source is not None:
            passed = (found for found in list_passed(source, each) if found[2] in uses)
            used |= {value for part, own, value in passed if is_only_used(None, part, own, maker)}
    return all(each in used for each in uses)


def list_passed(
    source: ParsedSource, call: ast.Call
) -> Iterator[tuple[CodeFunction, str, ast.expr]]:
    """Yield the function of the file that is called, with its name of each argument."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return
    name = call.func.id if isinstance(call.func, ast.Name) else None
    for part in source.tree.body:
        if isinstance(part, CodeFunction) and part.name == name:
            own = [each.arg for each in (*part.args.posonlyargs, *part.args.args)]
            pairs = [*zip(own, call.args, strict=False)]
            own += [each.arg for each in part.args.kwonlyargs]
            pairs += [(each.arg, each.value) for each in call.keywords if each.arg in own]
            yield from ((part, *each) for each in pairs if not part.decorator_list)


def has_long_text(statement: ast.stmt) -> bool:
    """Return True for a multi-line string: indenting it would change its content."""
    return any(
        isinstance(each, ast.Constant | ast.JoinedStr) and each.lineno != each.end_lineno
        for each in ast.walk(statement)
    )
