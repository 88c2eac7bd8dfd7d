"""What is nobody's fault, and what an audit could not see."""

from collections.abc import Iterator, Mapping
from math import inf

import polars as pl

from analysis.findings.base import Notice
from analysis.findings.blocks.attribution import Attribution
from analysis.findings.evidence import AuditEvidence
from scenarios.units import Second

NOTED_S = 0.1
"""Less in a whole audit is not worth a line."""
UNRECORDED_S: Second = 2.0
"""A process that says nothing for so long, until the load or its life ends, has no probe."""
LOST: Mapping[str, str] = {
    "NO_CPU": "The event loop waited {:,.1f} s for a processor: the machine was busy. Run the "
    "audit on a quiet machine for exact seconds.",
    "DELAYED": "The seconds of the findings include {:,.1f} s in which the event loop waited for a "
    "processor.",
    "PAUSED": "The whole process or machine stopped for {:,.1f} s; no code is to blame.",
    "UNEXPLAINED": "The event loop was blocked for {:,.1f} s without enough evidence against any "
    "code. A longer audit gives more samples.",
}
LIMITS: Mapping[str, str] = {
    "NOT_ATTACHED": "The probe was not inside the service: the audit knows its latencies, but not "
    "what blocks its event loop.",
    "NO_CLOCKS": "The causes are unexplained: this system does not say how a thread spends its "
    "time (Linux does, in /proc/self/task/TID/schedstat).",
    "UNTIMED": "Some blocks were seen from outside and not timed: their seconds are accurate to 10 "
    "ms each.",
    "STILL_BLOCKED": "An event loop was still blocked when the recording ended; its last block "
    "counts up to its last sample.",
}


def write_block_notices(found: Attribution) -> tuple[Notice, ...]:
    """What is nobody's."""
    lost_s: Mapping[str, Second] = {
        "NO_CPU": found.excused_s["no-cpu"],
        "DELAYED": found.delayed_s if found.sites else 0.0,
        "PAUSED": found.excused_s["paused"],
        "UNEXPLAINED": found.unexplained_s,
    }
    return tuple(
        Notice(code, LOST[code].format(seconds), seconds)
        for code, seconds in lost_s.items()
        if seconds >= NOTED_S
    )


def list_limits(evidence: AuditEvidence) -> Iterator[Notice]:
    """What could not be seen, and what was not asked."""
    record, stretches = evidence.record, evidence.stretches
    applies = {
        "NOT_ATTACHED": not evidence.count_processes(),
        "NO_CLOCKS": any(not each.clocks.are_known for each in stretches),
        "UNTIMED": any(not each.is_timed for each in stretches),
        "STILL_BLOCKED": any(each.is_open for each in stretches),
    }
    yield from (Notice(code, LIMITS[code]) for code, is_so in applies.items() if is_so)
    if record.interrupted is not None:
        yield Notice("INTERRUPTED", f"The audit was cut short: {record.interrupted}.")
    yield from list_unrecorded(evidence)
    for table in list_lost_tables(evidence):
        yield Notice(
            "NOT_RECORDED",
            f"{table}.parquet is missing: the audit knows nothing of what it records.",
        )
    yield from (Notice("WARNING", each) for each in record.warnings)
    for each in record.unasked:
        text = f"{each.method} {each.route} was not asked: {each.reason}. To ask it: {each.how}"
        yield Notice("UNASKED", text)


def list_unrecorded(evidence: AuditEvidence) -> Iterator[Notice]:
    """Processes whose probe has written until some time of the load, and nothing since."""
    phases, samples = evidence.record.phases, evidence.samples
    if not phases:
        return
    gone_s = {each.pid: each.at_s for each in evidence.record.server.ends}
    last = samples.group_by("pid", maintain_order=True).agg(pl.col("at_s").max())
    stopped = {each.pid: each.stopped for each in evidence.record.processes}
    for pid, last_s in last.drop_nulls().iter_rows():
        silent_s = min(phases[-1].ended_s, gone_s.get(pid, inf)) - last_s
        if last_s >= phases[0].began_s and silent_s >= UNRECORDED_S:
            why = stopped.get(pid)
            text = (
                f"The probe in process {pid} wrote nothing for the last {silent_s:,.1f} s of the "
                "load: the findings and their seconds know nothing of that time. "
                + (f"It broke: {why}." if why else "Look for a full disk.")
            )
            yield Notice("RECORDING_STOPPED", text, silent_s)


def list_lost_tables(evidence: AuditEvidence) -> Iterator[str]:
    """Those that there should be: from outside of a service there are only the clients' rows, and
    none where the traffic is the user's own."""
    is_asked = any(each.routes for each in evidence.record.phases)
    for table in evidence.missing:
        if is_asked if table == "asked" else evidence.record.processes:
            yield table
