"""The cure for a middleware that uses a lot of CPU or delays responses."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.cures.code_sites import (
    AWAITS,
    LOOPS,
    CodeFunction,
    CodeSite,
    descend,
    find_site,
    walk_own,
)
from analysis.findings.cures.edits import LineEdit, quote, replace_text, spell
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, CureRule
from analysis.findings.source_code import get_last_name, split_name

PURE = (
    "    def __init__(self, app):",
    "        self.app = app",
    "",
    "    async def __call__(self, scope, receive, send):",
    "        # what dispatch() does before call_next()",
    "        await self.app(scope, receive, send)",
)
NO_TASK = (
    "A pure ASGI middleware starts no task and no stream per request. To change the response, wrap "
    "`send`."
)
AROUND = (*LOOPS, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)
"""After them, what the call needs is closed, its errors are not handled, or only its last pass is
left."""
LATER = "It then runs after the response is sent."
NEEDED_NOW = frozenset({"commit", "flush", "rollback", "close", "aclose", "acquire", "release"})
"""Calls on whose effect other code relies."""
MOVED = "dispatch() then no longer runs: move its code to __call__()."
BY_HAND = "# write this class as pure ASGI: without this base class, __call__() replaces dispatch()"
NEXT_NAMES = ("call_next", "app")
"""Names that a middleware calls to pass a request on."""
COMMENTS = {
    "request": "# cache what this awaits, or await it only for the routes that need it",
    "answer": "# pass the response on first, and do this in a background task",
    "buffer": "# pass each part of the body on as it arrives, in a wrapper of `send`",
}
REASONS = {
    "request": "Each request waits here before the app sees it.",
    "answer": "The response is ready, but the client waits for this.",
    "buffer": "The first part of the body is ready, but the client waits for the last one.",
}


def cure_middleware_cost(finding: AuditFinding, evidence: AuditEvidence) -> Cure:
    """Rewrite the class as pure ASGI, if its source is available; a function becomes a class."""
    cure = Cure(
        finding.file, finding.line, (), PURE, NO_TASK, "small-costs", saves_ms=finding.median_ms
    )
    site = find_site(evidence, finding.file, finding.line, finding.function)
    around = descend(site.source.tree.body, site.line) if site else ()
    kind = next((each for each in around if isinstance(each, ast.ClassDef)), None)
    if site is None or (kind is None and site.function is None):
        return cure
    if kind is None:
        return replace(cure, after=(*write_class_head(finding.function or ""), *PURE))
    line = site.source.lines[kind.lineno - 1]
    indent = line[: kind.col_offset]
    cure = replace(cure, line=kind.lineno, reason=f"{NO_TASK} {MOVED}")
    if not is_plain(kind, line):
        return replace(cure, after=(indent + BY_HAND,))
    after = (f"{indent}class {kind.name}:", *(f"{indent}{each}".rstrip() for each in PURE))
    return replace(cure, before=(line,), after=after)


def is_plain(kind: ast.ClassDef, line: str) -> bool:
    """Return True if the class has no __init__, which may call its base's, no other base, and its
    head in one line."""
    names = {each.name for each in kind.body if isinstance(each, CodeFunction)}
    bases = [get_last_name(each) for each in kind.bases]
    is_alone = bases == ["BaseHTTPMiddleware"] and not kind.keywords
    return is_alone and "__init__" not in names and line.endswith(":")


def write_class_head(function: str) -> tuple[str, str]:
    """Write the head of the class that replaces a function added by `@app.middleware("http")`."""
    words = function.rpartition(".")[2].split("_")
    name = "".join(f"{each[:1].upper()}{each[1:]}" for each in words)
    return f"# instead of this function; app.add_middleware({name}) adds it", f"class {name}:"


def cure_delayed_answer(finding: AuditFinding, evidence: AuditEvidence) -> Cure:
    cause = finding.cause or "answer"
    rule: CureRule | None = "background" if cause == "answer" else None
    cure = Cure(
        finding.file, finding.line, (), (COMMENTS[cause],), REASONS[cause], rule,
        saves_ms=finding.median_ms,
    )  # fmt: skip
    site = find_site(evidence, finding.file, finding.line, finding.function)
    waits = list(list_waits(site, cause)) if site else []
    if site is None or len(waits) != 1:
        return cure
    (wait,) = waits
    line = site.source.lines[wait.lineno - 1]
    indent = line[: len(line) - len(line.lstrip())]
    edit = defer_to_background(site, wait) if cause == "answer" else None
    if edit is None:
        return replace(cure, line=wait.lineno, after=(indent + COMMENTS[cause],))
    needs = f" Add `{edit.missing}`." if edit.missing else ""
    reason = f"{REASONS[cause]} {LATER}{needs}"
    return replace(cure, line=edit.line, before=edit.before, after=edit.after, reason=reason)


def list_waits(site: CodeSite, cause: str) -> Iterator[ast.Await | ast.AsyncFor]:
    """List what the function awaits on the side of the request, or of the response."""
    kind = ast.AsyncFor if cause == "buffer" else ast.Await
    nodes = list(walk_own(site.function)) if site.function else []
    passed = [each.lineno for each in nodes if isinstance(each, ast.Await) and is_passing_on(each)]
    for node in nodes if len(passed) == 1 else ():
        if isinstance(node, ast.Await | ast.AsyncFor) and not is_passing_on(node):
            is_before = node.lineno < passed[0]
            if isinstance(node, kind) and is_before is (cause == "request"):
                yield node


def is_passing_on(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Await)
        and isinstance(node.value, ast.Call)
        and get_last_name(node.value.func) in NEXT_NAMES
    )


def defer_to_background(site: CodeSite, wait: ast.AST) -> LineEdit | None:
    """Write `response.background = BackgroundTask(f, x)` for `await f(x)`, if the function has the
    response in a variable and returns it, and the call can run after all else."""
    response = find_response(site)
    body = site.function.body if site.function else []
    if response is None or not isinstance(wait, ast.Await) or not isinstance(wait.value, ast.Call):
        return None
    call, (*around, statement) = wait.value, descend(body, wait.lineno)
    is_alone = isinstance(statement, ast.Expr) and statement.value is wait
    if not is_alone or any(isinstance(each, AWAITS) for each in ast.walk(call)):
        return None
    if any(isinstance(each, AROUND) for each in around) or is_needed_now(call, response):
        return None
    if not is_own_coroutine(site, call):
        return None
    if not is_returned(site, response, wait.lineno):
        return None
    task, missing = spell(site.source, "starlette.background.BackgroundTask")
    parts = [quote(site.source, each) for each in (call.func, *call.args)]
    keywords = ((each, f"{each.arg}=" if each.arg else "**") for each in call.keywords)
    parts += [f"{begin}{quote(site.source, each.value)}" for each, begin in keywords]
    edit = replace_text(site.source, wait, f"{response}.background = {task}({', '.join(parts)})")
    return edit and replace(edit, missing=missing)


def is_own_coroutine(site: CodeSite, call: ast.Call) -> bool:
    """Return True for an `async def` of the file without decorators. Of all else, a background task
    cannot see that it must be awaited: it would call it in a thread, and drop what it returns."""
    name, (root, _) = get_last_name(call.func), split_name(call.func)
    same = [
        each
        for each in ast.walk(site.source.tree)
        if isinstance(each, CodeFunction) and each.name == name
    ]
    if len(same) != 1 or not isinstance(same[0], ast.AsyncFunctionDef) or same[0].decorator_list:
        return False
    return isinstance(call.func, ast.Name) or root == "self"


def is_needed_now(call: ast.Call, response: str) -> bool:
    """Return True if other code relies on its effect, or if it may change the response."""
    parts = [each for each in ast.walk(call) if isinstance(each, ast.Attribute)]
    read = {id(each.value) for each in parts if each.attr == "status_code"}
    changes = any(
        isinstance(each, ast.Name) and each.id == response and id(each) not in read
        for each in ast.walk(call)
    )
    return changes or get_last_name(call.func) in NEEDED_NOW


def is_returned(site: CodeSite, response: str, line: int) -> bool:
    """Return True if the function returns only this response after the line, and has no other
    task for it."""
    nodes = list(walk_own(site.function)) if site.function else []
    stored = [each for each in nodes if isinstance(getattr(each, "ctx", None), ast.Store)]
    names = [get_last_name(each) for each in stored]
    returns = [each for each in nodes if isinstance(each, ast.Return) and each.lineno > line]
    same = [isinstance(each.value, ast.Name) and each.value.id == response for each in returns]
    return any(same) and all(same) and names.count(response) == 1 and "background" not in names


def find_response(site: CodeSite) -> str | None:
    """Return the variable that has the next layer's response."""
    for node in walk_own(site.function) if site.function else ():
        if isinstance(node, ast.Assign) and is_passing_on(node.value) and len(node.targets) == 1:
            return get_last_name(node.targets[0])
    return None
