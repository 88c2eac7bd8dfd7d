"""The cure for a computation that holds the GIL: another process."""

import ast
from dataclasses import replace

from analysis.findings.cures.blocked_code import BlockedCode
from analysis.findings.cures.code_sites import CodeSite, find_site
from analysis.findings.cures.edits import (
    LAZY,
    LineEdit,
    edit_def,
    find_call,
    is_begin_of,
    is_plain_call,
    list_ancestors,
    list_parents,
    quote,
    replace_text,
    spell,
)
from analysis.findings.cures.find_awaiting import AwaitingSite, find_awaiting_site
from analysis.findings.cures.find_calls import CHECK_FILES
from analysis.findings.cures.place_edit import place_comment, place_edit
from analysis.findings.cures.portable import is_portable, name_library_call
from analysis.findings.cures.sent_data import gives_data, is_data
from analysis.findings.cures.sqlite_cures import cure_shared_connection
from analysis.findings.evidence import AuditEvidence
from analysis.findings.process_lives import count_most_alive
from analysis.findings.remedies import Cure
from analysis.findings.source_code import BUILTINS, find_assigned
from records.trial import MOST

MOST_TURNS = 0.4
"""Share of the time: while a thread computes in Python, the watchdog waits for the GIL for 5 ms of
15 (sys.getswitchinterval), a third. A C call makes it wait for longer."""
RUN, SUBMIT = "anyio.to_process.run_sync", "processes.submit"
EXECUTE = "asyncio.get_running_loop().run_in_executor"
COPIED = (
    "A process has its own GIL. Arguments and result are copied there and back: pass little data."
)
TURNS = (
    "As a `def` it is just as slow, but it runs in a thread, so that other requests get their "
    f"turns. A process also uses another core. {CHECK_FILES}"
)
POOL = "`processes` is one concurrent.futures.ProcessPoolExecutor, created at startup."
SINGLE = ("re.", "ssl.", "threading.", "sqlite3.", "socket.", "json.", "copy.", "pickle.")
"""Calls of C code whose results cannot be copied, or that do little more than copy."""
UNSENT = (*SINGLE, "boto3.", "botocore.", "lxml.", "sqlalchemy.")
"""Calls whose results cannot be copied to another process."""


def cure_with_process(code: BlockedCode, evidence: AuditEvidence) -> Cure:
    """gil: the place is in a thread, which then waits for the process."""
    found = None if code.cause == "gil" else find_awaiting_site(code, evidence)
    place = code.place
    site = found.site if found else find_site(evidence, place.file, place.line, place.function)
    if shared := cure_shared_connection(code, site):
        return shared
    workers = f"workers={min(2 * count_most_alive(evidence), MOST['workers'])}"
    if site is not None and (found or code.cause == "gil"):
        callee = found.callee if found else code.callee_name
        edit = edit_for_process(site, callee, evidence, is_awaited=found is not None)
        if edit is not None:
            reason = COPIED if found else f"{COPIED} {POOL}"
            return replace(place_edit(code, site, edit, reason, "cpu"), trial=workers)
    if found is not None and (cure := cure_with_turns(code, found, evidence)):
        return cure
    run, reason = write_run(found)
    text = f"in a process: {run}, where f is a function of the module that loads its own data"
    if found is not None and found.site.holder is not None:
        text = f"outside the `with`, {text}"
    return replace(place_comment(code, site, text, reason, "cpu"), trial=workers)


def cure_with_turns(code: BlockedCode, found: AwaitingSite, evidence: AuditEvidence) -> Cure | None:
    """Propose a `def` if the computation passes the GIL on, unlike a single C call."""
    function, call = found.site.function, code.call or ""
    is_one_call = call in BUILTINS or call.startswith(SINGLE)
    if is_one_call or code.unseen_share >= MOST_TURNS:
        return None
    if function is None or not found.can_be_def(code, evidence):
        return None
    edit = edit_def(found.site.source, function)
    if edit is None:
        return None
    trial = f"offload={code.place.route}" if code.is_of_endpoint else None
    return replace(place_edit(code, found.site, edit, TURNS, "cpu"), trial=trial)


def write_run(found: AwaitingSite | None) -> tuple[str, str]:
    """Return how to run f in a process, and what to know about it."""
    if found is None:
        return f"{SUBMIT}(f).result()", f"{COPIED} {POOL}"
    if not found.site.has_anyio:
        return f"await {EXECUTE}(processes, f)", f"{COPIED} {POOL}"
    return f"await {RUN}(f)", COPIED


def edit_for_process(
    site: CodeSite, callee: str | None, evidence: AuditEvidence, *, is_awaited: bool
) -> LineEdit | None:
    """Return None if the call cannot be passed to a process by its name and arguments."""
    call = find_call(site, callee)
    if is_awaited and (site.holder is not None or site.is_final or not site.has_anyio):
        return None
    if call is None or not is_plain_call(call) or not is_sent_by_name(site, call, evidence):
        return None
    if not gives_data(site, call) or not all(is_data(site, each) for each in call.args):
        return None
    ancestors = list(list_ancestors(call, list_parents(site.statement)))
    if any(isinstance(each, (*LAZY, ast.Await)) for each in ancestors):
        return None
    passed = ", ".join(quote(site.source, each) for each in (call.func, *call.args))
    if not is_awaited:
        return replace_text(site.source, call, f"{SUBMIT}({passed}).result()")
    run, missing = spell(site.source, RUN)
    text = f"await {run}({passed})"
    is_begun = bool(ancestors) and is_begin_of(call, ancestors[0])
    edit = replace_text(site.source, call, f"({text})" if is_begun else text)
    return edit and replace(edit, missing=missing)


def is_sent_by_name(site: CodeSite, call: ast.Call, evidence: AuditEvidence) -> bool:
    """Return True for a function of the module, or for one of a library whose result is used: its
    effect may stay in the process."""
    source = site.source
    if isinstance(call.func, ast.Name) and call.func.id in source.assigned:
        name = call.func.id
        is_only = list(find_assigned(source.tree)).count(name) == 1
        return is_only and is_portable(source, name, site.file, evidence)
    full = name_library_call(site, call, evidence)
    is_dropped = isinstance(site.statement, ast.Expr) and site.statement.value is call
    return full is not None and not full.startswith(UNSENT) and not is_dropped
