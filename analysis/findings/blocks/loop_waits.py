"""What the event loop's thread waits for in its own process, such as a connection of a pool."""

from collections.abc import Mapping, Sequence

from analysis.findings.blocks.shares import StretchShare, choose_heaviest
from analysis.findings.code_texts import parse_stack
from analysis.findings.evidence import AuditEvidence, Stack, compute_once


@compute_once
def index_waits(evidence: AuditEvidence) -> Mapping[tuple[int, Stack], str]:
    """Index waits by process and stack, for threads without an offloaded call. These include idle
    threads of pools."""
    rows = evidence.thread_stacks.drop_nulls(["stack", "waits_for"])
    rows = rows.filter(rows["handover"].is_null()).select("pid", "stack", "waits_for").unique()
    return {(pid, parse_stack(stack)): waits_for for pid, stack, waits_for in rows.iter_rows()}


def find_wait(shares: Sequence[StretchShare], evidence: AuditEvidence) -> str | None:
    """Find what the loop waits for, as the probe names it: "QueuePool of 5". A block's stack
    identifies the loop's thread. None if no resource of the process is known."""
    known = index_waits(evidence)
    if not known:
        return None
    return choose_heaviest(
        (known[key], share.seconds)
        for share in shares
        for key in {(share.stretch.pid, each.stack) for each in share.stretch.samples}
        if key in known
    )
