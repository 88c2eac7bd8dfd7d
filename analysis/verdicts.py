"""What a cell says of its own trustworthiness: values with their data. Words: analysis.advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from records.cell import CellRecord

Severity = Literal["info", "warning", "error"]
Code = Literal[
    "INTERRUPTED",
    "WORKER_DEATHS",
    "UNFINISHED",
    "COUNTS_DISAGREE",
    "GENERATOR_SATURATED",
    "LOAD_PROCESS_DIED",
    "UPSTREAM_LATE",
    "NOT_STEADY",
    "DESCRIPTORS",
    "JOURNAL_LOST",
    "PROBE_STOPPED",
    "THREADS_LEFT",
]
GENERATOR_CPU_LIMIT_PERCENT = 90.0
"""Of one core: a load process is single-threaded. Locust itself warns at the same figure."""
UPSTREAM_LATE_LIMIT = 0.05
"""Mean lateness over the mean wait asked for: the mean is what Little's law sees."""
DESCRIPTORS_LIMIT = 0.95
LONGER = 1.1
"""In a fair queue the last to wait may wait a little longer than any before."""
PROBE_GONE_S = 1.0
"""The probe samples every 10 ms and flushes every 250 ms."""


@dataclass(frozen=True, slots=True)
class Verdict:
    code: Code
    severity: Severity
    data: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the judgement of a cell rests on. Shares are of one; None is not known."""

    record: CellRecord
    completed: int
    unfinished: int
    oldest_unfinished_s: float | None
    slowest_completed_s: float | None
    contradictions: Mapping[str, int]
    sent: int
    app_received: int
    upstream_received: int | None
    generator_cpu_percent_peak: float | None
    load_processes_died: int
    upstream_late_share: float | None
    descriptors_peak: int | None
    descriptor_errors: int
    probe_silent_s: float | None
    """How long before the window's end, or its own death, a worker's probe was last heard."""


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """The gravest first."""
    found = [
        check(evidence)
        for check in (
            interrupted,
            counts_disagree,
            descriptors,
            journal_lost,
            load_process_died,
            probe_stopped,
            threads_left,
            worker_deaths,
            generator_saturated,
            upstream_late,
            not_steady,
            unfinished,
        )
    ]
    return tuple(verdict for verdict in found if verdict is not None)


def interrupted(evidence: Evidence) -> Verdict | None:
    reason = evidence.record.interrupted
    return Verdict("INTERRUPTED", "error", {"reason": reason}) if reason else None


def counts_disagree(evidence: Evidence) -> Verdict | None:
    """Dead workers and cut-short cells lose requests for a reason that is told elsewhere."""
    record = evidence.record
    if not evidence.contradictions or record.interrupted:
        return None
    if record.deaths or record.journals_lost or evidence.load_processes_died:
        return None
    data: dict[str, float | int | str] = {
        "sent": evidence.sent,
        "app_received": evidence.app_received,
        **evidence.contradictions,
    }
    if evidence.upstream_received is not None:
        data["upstream_received"] = evidence.upstream_received
    return Verdict("COUNTS_DISAGREE", "error", data)


def descriptors(evidence: Evidence) -> Verdict | None:
    limit, peak = evidence.record.descriptors_limit, evidence.descriptors_peak
    faults = evidence.descriptor_errors + len(evidence.record.log_faults)
    near = peak is not None and peak >= DESCRIPTORS_LIMIT * limit
    if not faults and not near:
        return None
    data = {"limit": limit, "peak": peak or 0, "faults": faults}
    return Verdict("DESCRIPTORS", "error" if faults else "warning", data)


def journal_lost(evidence: Evidence) -> Verdict | None:
    lost = evidence.record.journals_lost
    return Verdict("JOURNAL_LOST", "warning", {"journals": len(lost)}) if lost else None


def probe_stopped(evidence: Evidence) -> Verdict | None:
    """It switches itself off at a fault; what it says of threads and loop then ends early."""
    silent_s = evidence.probe_silent_s
    if silent_s is None or silent_s <= PROBE_GONE_S:
        return None
    return Verdict("PROBE_STOPPED", "error", {"silent_s": silent_s})


def threads_left(evidence: Evidence) -> Verdict | None:
    left = evidence.record.threads_left
    return Verdict("THREADS_LEFT", "warning", {"threads": left}) if left else None


def worker_deaths(evidence: Evidence) -> Verdict | None:
    deaths = evidence.record.deaths
    if not deaths:
        return None
    causes = sorted({death.cause for death in deaths})
    return Verdict("WORKER_DEATHS", "error", {"deaths": len(deaths), "causes": ", ".join(causes)})


def generator_saturated(evidence: Evidence) -> Verdict | None:
    peak = evidence.generator_cpu_percent_peak
    if peak is None or peak <= GENERATOR_CPU_LIMIT_PERCENT:
        return None
    return Verdict("GENERATOR_SATURATED", "error", {"cpu_percent": peak})


def load_process_died(evidence: Evidence) -> Verdict | None:
    """Its users are missing from the load, and its last quarter second from the records."""
    died = evidence.load_processes_died
    return Verdict("LOAD_PROCESS_DIED", "error", {"processes": died}) if died else None


def upstream_late(evidence: Evidence) -> Verdict | None:
    share = evidence.upstream_late_share
    if share is None or share <= UPSTREAM_LATE_LIMIT:
        return None
    return Verdict("UPSTREAM_LATE", "error", {"late_percent": 100 * share})


def not_steady(evidence: Evidence) -> Verdict | None:
    record = evidence.record
    if record.phases.steady or record.phases.window_start_s is None:
        return None
    return Verdict("NOT_STEADY", "warning", {"warm_up_limit_s": record.warm_up_limit_s})


def unfinished(evidence: Evidence) -> Verdict | None:
    """A closed loop always ends with users in the queue. It is worth a warning when one of them
    waited longer than anybody who was answered: then the answered tell too good a story."""
    if not evidence.unfinished:
        return None
    slowest_s, oldest_s = evidence.slowest_completed_s, evidence.oldest_unfinished_s
    starved = slowest_s is None or (oldest_s is not None and oldest_s > LONGER * slowest_s)
    data: dict[str, float | int | str] = {
        "unfinished": evidence.unfinished,
        "completed": evidence.completed,
    }
    if evidence.oldest_unfinished_s is not None:
        data["oldest_s"] = evidence.oldest_unfinished_s
    return Verdict("UNFINISHED", "warning" if starved else "info", data)
