"""The cure for a blocked event loop: an awaitable version of the call, a thread, or a process."""

import ast
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.causes import DOUBTED
from analysis.findings.cures.blocked_code import MAKE_TLS, BlockedCode
from analysis.findings.cures.code_sites import CodeSite, describe_unread, find_site, has_scope
from analysis.findings.cures.edits import (
    LineEdit,
    choose_expression,
    edit_def,
    is_awaited,
    is_split,
    replace_text,
    spell,
    write_thread_call,
)
from analysis.findings.cures.find_awaiting import AwaitingSite, find_awaiting_site
from analysis.findings.cures.find_calls import CHECK_FILES
from analysis.findings.cures.once_cures import cure_made_thing
from analysis.findings.cures.one_caller import cure_for_one_caller
from analysis.findings.cures.place_edit import add_library, place_comment, place_edit
from analysis.findings.cures.process_cures import cure_with_process
from analysis.findings.cures.sqlite_cures import OWN_CONNECTION, uses_sqlite
from analysis.findings.cures.write_file import write_file
from analysis.findings.cures.write_twin import write_twin
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import build_finder
from analysis.findings.remedies import Cure
from analysis.stats import formats

STARTUP = "It blocks at startup, before any request waits."
NO_CAUSE = "The cause is not known, so the audit proposes no change."
NO_LINE = "No line of the app's own code is known."
NO_FRAME = "A library does this for the route; no line of the app's own code calls it."
STARTS = "threading.start"
START_ONCE = "start one thread at startup, and let it do the work of all requests"
STARTED = "Starting a thread waits until it runs. An existing thread needs no such wait."
CONTEXT_ONCE = "use a TLS context here that is created once, at startup"
COSTS = "Each request creates one here, and holds the GIL meanwhile."
FREEZE = ("# at the end of the app's startup:", "gc.collect()", "gc.freeze()")
FROZEN = (
    "Later collections then skip the objects created at startup. This helps if most objects are "
    "created there; otherwise create fewer."
)
FRAMEWORK_CALLS = (
    "The framework calls this function on the event loop and cannot await it. Do this work in an "
    "`async def` endpoint or dependency, where it can be awaited, and pass the result on."
)
UNREAD = (
    "The source was not found, was changed after the service started, or has several statements "
    "in this line."
)
IN_THREADS = "The file is opened, used and closed in threads, one offloaded call for each step."
HELD = (
    "If the `with` holds a lock or a connection, an `await` inside it could block the event loop "
    "for good: another request could then wait for it on the event loop."
)
NO_BLOCK = "await a call here that does not block the event loop"
ON_THE_LOOP = "The event loop runs what this line awaits: a thread cannot take it over."
NOT_ALL = "The rest needs the event loop, what requests share, or to run even after a cancellation."
GOES_ON = "and the event loop keeps running."


def cure_blocked_place(finding: AuditFinding, evidence: AuditEvidence) -> Cure | str:
    """Propose a cure for a finding whose place blocks the loop, from the evidence of its blocks."""
    for place, shares in attribute_blocks(evidence).sites.items():
        if place.fields == finding.place_fields:
            code = BlockedCode.from_shares(place, shares, build_finder(evidence))
            return cure_block(code, evidence)
    return NO_LINE


def cure_block(code: BlockedCode, evidence: AuditEvidence) -> Cure | str:
    if code.place.phase == "startup":
        return STARTUP
    if code.cause == "gc":
        return Cure(None, None, (), FREEZE, FROZEN)  # few requests meet a collection
    if code.cause not in ("wait", "compute", "gil"):
        return NO_CAUSE
    if code.place.file is None:
        return NO_LINE
    if code.own_index is None:
        return NO_FRAME
    if code.makes_client:
        maker = code.callee_name if code.callee_name in MAKE_TLS else None
        return cure_made_thing(code.place.fields, evidence, maker, code.block_ms)
    site = find_site(evidence, code.place.file, code.place.line, code.place.function)
    if code.makes_context and site is not None and is_awaited(site, code.callee_name):
        return cure_made_thing(code.place.fields, evidence, None, code.block_ms)
    if code.makes_context and code.cause == "gil":
        return place_comment(code, site, CONTEXT_ONCE, COSTS, "client-life")
    if code.call == STARTS:
        return place_comment(code, site, START_ONCE, STARTED, None)
    is_released = code.cause == "compute" and code.unseen_share < DOUBTED
    if code.cause == "wait" or code.makes_context or is_released:
        return cure_with_thread(code, evidence)
    return cure_with_process(code, evidence)


def cure_with_thread(code: BlockedCode, evidence: AuditEvidence) -> Cure | str:
    found = find_awaiting_site(code, evidence)
    if found is None:
        return cure_from_afar(code, evidence)
    can_be_def = found.can_be_def(code, evidence)
    trial = f"offload={code.place.route}" if can_be_def and code.is_of_endpoint else None
    twin = write_twin(found, evidence) if code.cause == "wait" or code.makes_context else None
    if twin is not None:
        cure = place_edit(code, found.site, twin.edit, twin.reason, "one-blocks-all")
        return replace(cure, trial=trial, costs_ms=0.0)
    if shared := cure_for_one_caller(code, found.site, evidence):
        return shared
    hop_ms = evidence.record.hop_ms
    if hop_ms is not None and hop_ms >= code.block_ms:
        return (
            f"It blocks for {formats.milliseconds(code.block_ms)} ms per request (median); moving "
            f"it to a thread takes {formats.milliseconds(hop_ms)} ms on this machine."
        )
    file = write_file(found) if code.cause == "wait" and not can_be_def else None
    if file is not None and file.hops * (hop_ms or 0.0) < code.block_ms:
        cure = place_edit(code, found.site, file.edit, IN_THREADS, "offload")
        return replace(cure, costs_ms=hop_ms and file.hops * hop_ms)
    edit, reason = edit_for_thread(found, can_be_def, evidence)
    reason = add_library(code, reason)
    if uses_sqlite(code, found.site, evidence):
        reason = f"{reason} {OWN_CONNECTION}"
    cure = place_edit(code, found.site, edit, reason, "offload")
    return replace(cure, trial=trial, costs_ms=hop_ms)


def edit_for_thread(
    found: AwaitingSite, can_be_def: bool, evidence: AuditEvidence
) -> tuple[LineEdit, str]:
    """Move the whole function if it awaits nothing, or else the call, or say to move the `with`."""
    site, function, holder = found.site, found.site.function, found.site.holder
    if can_be_def and function is not None and (edit := edit_def(site.source, function)):
        runs = f"{function.name}() awaits nothing: as a `def` it runs in a thread"
        return edit, f"{runs}, {GOES_ON} {CHECK_FILES}"
    full = "anyio.to_thread.run_sync" if site.has_anyio else "asyncio.to_thread"
    runner, missing = spell(site.source, full)
    node = choose_expression(site, found.callee)
    parts = ast.walk(site.statement if node is None else node)
    is_free = holder is not None or found.can_move(parts, evidence)
    is_safe = is_free and not (site.is_final or site.is_repeated)
    if node is not None and is_safe and holder is None:
        text = write_thread_call(site.source, node, runner)
        if edit := replace_text(site.source, node, text):
            callee = found.callee or ""
            is_named = callee.isidentifier() and not callee.startswith("__")
            runs = f"{callee}()" if is_named else "It"
            return replace(edit, missing=missing), f"{runs} then runs in a thread, {GOES_ON}"
    if is_awaited(site, found.callee):
        return LineEdit(site.line, (), (f"{site.indent}# {NO_BLOCK}",)), ON_THE_LOOP
    return say_what_to_move(site, runner, missing, is_free)


def say_what_to_move(
    site: CodeSite, runner: str, missing: str | None, is_free: bool
) -> tuple[LineEdit, str]:
    """is_free: whether the statement needs no event loop."""
    holder = site.holder
    text = f"into its own function, and: await {runner}(that_function)"
    if not is_free or site.is_final or is_split(site):
        text = f"# move only what blocks {text} before this"
        return LineEdit(site.line, (), (site.indent + text,), missing), NOT_ALL
    reason = "All of it then runs in a thread, in one offloaded call."
    if holder is not None:
        begin = replace(site, line=holder.lineno, statement=holder)
        what = "this out of the `with`," if has_scope(holder) else "the whole `with`"
        text = f"{begin.indent}# move {what} {text}"
        return LineEdit(begin.line, (), (text,), missing), f"{reason} {HELD}"
    text = f"# move this {text}"
    return LineEdit(site.line, (), (site.indent + text,), missing), reason


def cure_from_afar(code: BlockedCode, evidence: AuditEvidence) -> Cure:
    """Propose a comment if no line is known in which the work can be awaited."""
    place = code.place
    site = find_site(evidence, place.file, place.line, place.function)
    if site is not None:
        text = "do this earlier, in a coroutine that awaits it"
        return place_comment(code, site, text, FRAMEWORK_CALLS, "one-blocks-all")
    reason = describe_unread(evidence, UNREAD)
    if code.cause == "wait":
        text = "await an asynchronous call here, or move the call to a thread"
        return place_comment(code, None, text, reason, "one-blocks-all")
    return place_comment(code, None, "move it to a thread here", reason, "offload")
