"""Notices: conditions that no code is to blame for, and what an audit could not see."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import inf

import polars as pl

from analysis.findings.base import Notice, UncheckedRoute
from analysis.findings.blocks.attribution import Attribution
from analysis.findings.blocks.shares import StretchShare, list_times
from analysis.findings.evidence import AuditEvidence
from analysis.findings.spans import Span
from analysis.findings.time_asked import is_within, measure_share
from analysis.findings.unchecked_routes import list_unchecked_routes
from analysis.stats import formats
from records.journal import MORE
from records.process_ids import get_pid
from scenarios.units import Second

NOTED_S = 0.1
"""A shorter total is not worth a line."""
HIDDEN, HIDDEN_S = "GIL_SHARED", 0.05
"""A request that is blocked for longer without a known cause is worth one."""
CUT = frozenset({"INTERRUPTED", "RECORDING_STOPPED", "JOURNAL_LOST", "TEXTS_FULL", "ROWS_REMOVED"})
"""Notices of an audit that ended early, or lost a part of its records."""
UNRECORDED_S: Second = 2.0
"""A process without samples for this long, before the load or its life ends, lost its probe."""
MOST_NAMED = 4
"""Routes that one notice names."""
LOST: Mapping[str, str] = {
    "NO_CPU": "The event loop waited {:,.1f} s for a processor: the machine was busy. For exact "
    "times, run the audit on a quiet machine.",
    "DELAYED": "The seconds in the findings include {:,.1f} s in which the event loop waited for a "
    "processor.",
    "PAUSED": "The whole process or machine was paused for {:,.1f} s; no code is to blame.",
    "UNEXPLAINED": "The event loop was blocked for {:,.1f} s with too few samples to blame any "
    "code. A longer audit takes more samples.",
}
HIDDEN_TEXT = (
    "The event loop was blocked for {:,.1f} s while another thread computed: a call that waits and "
    "a wait for the GIL look the same then, and so do a thread that holds the GIL and one that has "
    "released it. Audit the service without that thread, or one route at a time (--request), or "
    "move its work to a process."
)
UNNAMED = "The event loop was blocked for {:,.1f} s, and no stack that was kept names the code."
LIMITS: Mapping[str, str] = {
    "NOT_ATTACHED": "The probe did not run inside the service: the audit measured latencies, but "
    "cannot tell what blocks the event loop.",
    "NO_REQUEST": "The probe recorded no request, so the audit cannot tell what blocks the event "
    "loop.",
    "NO_CLOCKS": "The causes are unexplained: this system does not report how a thread spends its "
    "time (Linux does, in /proc/self/task/TID/schedstat).",
    "NO_STACKS": "Without the GIL, the probe reads no stacks of other threads: the audit cannot "
    "tell which code blocks the event loop.",
    "UNTIMED": "Some blocks were sampled, not timed: the length of each is accurate to 10 ms.",
    "TEXTS_FULL": "The probe's table of texts was full: the stacks and names that came later are "
    "missing, and the findings do not include them. Restart the service and record for less time.",
    "PATHS_FULL": f'The route "{MORE}" stands for many paths: the probe\'s table of texts has no '
    "room for their names.",
    "STILL_BLOCKED": "An event loop was still blocked when the recording ended; its last block "
    "counts only up to its last sample.",
}

OF_BLOCKS = frozenset(("blocks", "block_stacks"))
NO_BLOCKS = (
    "What blocks the event loop was not recorded: the service ran with ASGI_PROBE_STACKS=0. Record "
    "it without this variable."
)
NO_WAITS = (
    "What makes requests wait for threads and pools was not recorded: a probe in the code records "
    "it only in an audit, or under `python -m asgi_probe run`."
)
CHECK = "Check whether the disk is full, or the process was killed."
REPLACED = "Then another program started in this process, as after os.execv."
LOST_JOURNALS = (
    "The probe's records in {} are missing or incomplete: a process died before the probe wrote, "
    "the disk was too slow, or a file is damaged. The findings do not include what is missing."
)


def write_block_notices(found: Attribution, evidence: AuditEvidence) -> tuple[Notice, ...]:
    """Write the notices about blocked time that no code caused."""
    spent_s = list_times(found.shared)
    longest_s, hidden_s = max(spent_s, default=0.0), sum(spent_s)
    hidden_s = hidden_s if longest_s >= HIDDEN_S or hidden_s >= NOTED_S else 0.0
    lost_s: Mapping[str, Second] = {
        "NO_CPU": found.excused_s["no-cpu"],
        "DELAYED": found.delayed_s,
        "PAUSED": found.excused_s["paused"],
        "UNEXPLAINED": found.unexplained_s - hidden_s,
    }
    is_unnamed = evidence.texts_full or not has_stacks(evidence)
    texts = {**LOST, "UNEXPLAINED": UNNAMED} if is_unnamed else LOST
    notices = [
        Notice(code, texts[code].format(seconds), seconds)
        for code, seconds in lost_s.items()
        if seconds >= NOTED_S
    ]
    if hidden_s:
        text = HIDDEN_TEXT.format(hidden_s)
        share = measure_most(found.shared, evidence)
        notices.append(Notice(HIDDEN, text, hidden_s, 1000 * longest_s, share))
    return tuple(notices)


def measure_most(shares: Sequence[StretchShare], evidence: AuditEvidence) -> float:
    """Measure the largest share of a route's time, or of a phase if no route is known."""
    spans = [(each.began_s, each.ended_s) for each in evidence.record.phases]
    taken: dict[tuple[str | None, Span | None], list[tuple[Second, Second]]] = defaultdict(list)
    for each in shares:
        at_s, route = each.stretch.began_s, each.located.place.route
        phase = None if route else next((it for it in spans if is_within(at_s, it)), None)
        taken[route, phase].append((at_s, each.seconds))
    found = (measure_share(each, route, evidence) for (route, _), each in taken.items())
    return max(each or 0.0 for each in found)


def has_stacks(evidence: AuditEvidence) -> bool:
    return all(each.has_stacks for each in evidence.record.processes)


def list_limits(evidence: AuditEvidence) -> Iterator[Notice]:
    """List what the audit could not see or did not request."""
    record, stretches = evidence.record, evidence.stretches
    is_blind = not evidence.count_processes()
    is_attached = bool(record.processes or evidence.samples.height)
    applies = {
        "NOT_ATTACHED": is_blind and not is_attached,
        "NO_REQUEST": is_blind and is_attached,
        "NO_CLOCKS": any(not each.clocks.are_known for each in stretches),
        "NO_STACKS": not has_stacks(evidence),
        "UNTIMED": any(not each.is_timed for each in stretches),
        "TEXTS_FULL": evidence.texts_full,
        "PATHS_FULL": (evidence.handlers["route"] == MORE).any(),
        "STILL_BLOCKED": any(each.is_open for each in stretches),
    }
    yield from (Notice(code, LIMITS[code]) for code, is_so in applies.items() if is_so)
    if record.interrupted is not None:
        yield Notice("INTERRUPTED", f"The audit was cut short: {record.interrupted}.")
    yield from list_unrecorded(evidence)
    yield from list_removed(evidence)
    yield from list_lost_tables(evidence)
    if record.journals_lost:
        yield Notice("JOURNAL_LOST", LOST_JOURNALS.format(", ".join(record.journals_lost)))
    if unchecked := list_unchecked_routes(evidence):
        yield Notice("UNCHECKED", describe_unchecked(unchecked))
    for text in record.warnings:
        yield Notice("ROUTES_UNKNOWN" if text == record.routes_unknown else "WARNING", text)
    for each in record.unasked:
        text = f"{each.method} {each.route} was not called: {each.reason}. To call it: {each.how}"
        yield Notice("UNASKED", text)


def describe_unchecked(unchecked: Sequence[UncheckedRoute]) -> str:
    """Name the routes and what to do."""
    named = ", ".join(map(describe_failures, unchecked[:MOST_NAMED]))
    hidden = len(unchecked) - MOST_NAMED
    more = f", and {formats.count_things(hidden, 'more route')}" if hidden > 0 else ""
    return (
        f"The audit says little about routes of which most requests failed: {named}{more}. Send "
        "requests that succeed, or leave these routes out."
    )


def describe_failures(of: UncheckedRoute) -> str:
    name = " ".join(filter(None, (of.method, of.route)))
    return f"{name} ({of.failed:,} of {of.requests:,}: {of.by})"


def list_unrecorded(evidence: AuditEvidence) -> Iterator[Notice]:
    """List processes whose probe stopped writing during the load. A process that replaces itself
    keeps its pid, and starts another probe."""
    phases, samples = evidence.record.phases, evidence.samples
    if not phases:
        return
    gone_s = {each.pid: each.at_s for each in evidence.record.server.ends}
    recorded = samples.drop_nulls("at_s").group_by("pid", maintain_order=True)
    spans = list(recorded.agg(pl.min("at_s").alias("first_s"), pl.max("at_s")).iter_rows())
    stopped = {each.pid: each.stopped for each in evidence.record.processes}
    journals = evidence.record.journals
    closed = {it.pid for it in journals if it.is_closed}
    closed -= {it.pid for it in journals if not it.is_closed}
    for pid, _, last_s in spans:
        if pid in closed and not stopped.get(pid):  # it ended in order
            continue
        later = [it for other, it, _ in spans if it > last_s and get_pid(other) == get_pid(pid)]
        silent_s = min(phases[-1].ended_s, gone_s.get(pid, inf), *later) - last_s
        if last_s >= phases[0].began_s and silent_s >= UNRECORDED_S:
            why = stopped.get(pid)
            text = (
                f"The probe in process {get_pid(pid)} wrote nothing for {silent_s:,.1f} s "
                "of the load: the findings do not include that time. "
                + (f"The probe failed: {why}." if why else REPLACED if later else CHECK)
            )
            yield Notice("RECORDING_STOPPED", text, silent_s)


def list_removed(evidence: AuditEvidence) -> Iterator[Notice]:
    """List journals whose oldest rows the probe has removed."""
    phases = evidence.record.phases
    for each in evidence.record.journals:
        if each.began_s is not None and phases and each.began_s > phases[0].began_s:
            lost_s = each.began_s - phases[0].began_s
            text = (
                f"The journals of process {get_pid(each.pid)} reached their size limit: its rows "
                f"of the first {lost_s:,.1f} s of the load were removed, and the findings cover "
                f"only the last {phases[-1].ended_s - each.began_s:,.1f} s."
            )
            yield Notice("ROWS_REMOVED", text, lost_s)


def list_lost_tables(evidence: AuditEvidence) -> Iterator[Notice]:
    """List expected tables that are missing, and what the probe did not record. An audit from
    outside has only client rows, and none of the user's own traffic."""
    is_asked = any(each.routes for each in evidence.record.phases)
    unrecorded = {table for each in evidence.record.journals for table in each.unrecorded}
    for table in evidence.missing:
        if is_asked if table == "asked" else evidence.record.processes and table not in unrecorded:
            yield Notice(
                "NOT_RECORDED",
                f"{table}.parquet is missing: the audit cannot report what this table records.",
            )
    if unrecorded & OF_BLOCKS:
        yield Notice("NOT_RECORDED", NO_BLOCKS)
    if unrecorded - OF_BLOCKS:
        yield Notice("PARTLY_RECORDED", NO_WAITS)
