"""Changes that belong together: a thread helps only if the pool has a free one, and a larger pool
only if the event loop has time for more requests."""

from collections.abc import Sequence
from dataclasses import replace

from analysis.findings.base import AuditFinding, AuditFindings
from analysis.findings.cures.effects import list_slower, read_kind
from analysis.findings.cures.process_cures import TURNS
from analysis.findings.resources.limiter_size import LimiterSize
from analysis.findings.waits.find_queue import find_queue
from analysis.findings.waits.queue_names import POOL


def join_cures(found: AuditFindings) -> AuditFindings:
    """Add to a change that needs another one which of the findings that is. found: with the trials
    and predictions."""
    full = [each for each in found.findings if is_short_of_threads(each)]
    blocks = [each for each in found.findings if is_blocked(each)]
    findings = tuple(join_cure(each, full, blocks) for each in found.findings)
    return replace(found, findings=findings)


def join_cure(
    found: AuditFinding, full: Sequence[AuditFinding], blocks: Sequence[AuditFinding]
) -> AuditFinding:
    """full: the findings about anyio's pool; blocks: those about the loop; both the worst first."""
    if found.cure is None:
        return found
    if full and needs_thread(found):
        size = "small" if isinstance(full[0], LimiterSize) else "full"
        order = "make both changes together" if full[0].cure else "make its work faster first"
        place = name_place(full[0])
        wait = "this change makes requests wait for a thread"
        said = f"anyio's pool is {size} ({place}): {order}, or {wait}."
    elif blocks and found in full and slows_others(found, full):
        order = "make both changes together" if needs_thread(blocks[0]) else "change that first"
        place = name_place(blocks[0])
        said = f"The event loop is blocked too ({place}): {order}, or other routes get slower."
    else:
        return found
    return replace(found, cure=replace(found.cure, reason=f"{found.cure.reason} {said}"))


def is_short_of_threads(found: AuditFinding) -> bool:
    """Return True if work that is moved to anyio's pool would wait there."""
    if isinstance(found, LimiterSize):
        return found.cause == "small"
    is_sure = found.severity != "info" and found.confidence != "low"
    return is_sure and find_queue(found) == POOL.name


def is_blocked(found: AuditFinding) -> bool:
    """Return True if requests wait for the blocked loop."""
    return found.code == "LOOP_BLOCKED" and found.severity != "info"


def needs_thread(found: AuditFinding) -> bool:
    """Return True if the change moves work from the event loop to a thread."""
    if found.code != "LOOP_BLOCKED" or found.cause == "gil" or found.cure is None:
        return False
    return found.cure.rule == "offload" or found.cure.reason == TURNS


def slows_others(found: AuditFinding, full: Sequence[AuditFinding]) -> bool:
    """Return True if a larger pool makes routes slower that do not wait for its threads."""
    is_larger = found.cure is not None and read_kind(found.cure.trial) == "pool"
    return is_larger and bool(list_slower(found) - {each.route for each in full})


def name_place(found: AuditFinding) -> str:
    """Name the finding and its line; for a size, the line that sets it."""
    at = found if found.file or found.cure is None else found.cure
    return f"{found.code} at {at.file}:{at.line}" if at.file else found.code
