"""What is nobody's fault, and what an audit could not see."""

from collections.abc import Iterator, Mapping

from analysis.findings.attribution import Attribution
from analysis.findings.base import Notice
from analysis.findings.evidence import AuditEvidence
from scenarios.units import Second

NOTED_S = 0.1
"""Less in a whole audit is not worth a line."""
LOST: Mapping[str, str] = {
    "NO_CPU": "The event loop waited {:,.1f} s for a processor: the machine was busy. Run the "
    "audit on a quiet machine for exact seconds.",
    "PAUSED": "The whole process or machine stood still for {:,.1f} s; no code is to blame.",
    "UNEXPLAINED": "The event loop was blocked for {:,.1f} s without enough evidence against any "
    "code. A longer audit gives more samples.",
}
NO_CLOCKS = (
    "The causes are unexplained: this system does not say how a thread spends its time "
    "(Linux does, in /proc/self/task/TID/schedstat)."
)
STILL_BLOCKED = (
    "An event loop was still blocked when the recording ended; its last block counts up to its "
    "last sample."
)


def write_block_notices(found: Attribution, evidence: AuditEvidence) -> tuple[Notice, ...]:
    lost_s: Mapping[str, Second] = {
        "NO_CPU": found.excused_s["no-cpu"],
        "PAUSED": found.excused_s["paused"],
        "UNEXPLAINED": found.unexplained_s,
    }
    lost = (
        Notice(code, LOST[code].format(seconds), seconds)
        for code, seconds in lost_s.items()
        if seconds >= NOTED_S
    )
    return (*lost, *list_limits(evidence))


def list_limits(evidence: AuditEvidence) -> Iterator[Notice]:
    """What could not be seen."""
    if any(each.clocks.cpu_s is None for each in evidence.stretches):
        yield Notice("NO_CLOCKS", NO_CLOCKS)
    if any(each.is_open for each in evidence.stretches):
        yield Notice("STILL_BLOCKED", STILL_BLOCKED)
    for table in evidence.missing:
        yield Notice("NOT_RECORDED", f"{table}.parquet is missing: the audit was cut short.")
