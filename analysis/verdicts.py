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
    "UPSTREAM_LATE",
    "NOT_STEADY",
    "DESCRIPTORS",
    "JOURNAL_LOST",
]
GENERATOR_CPU_LIMIT_PERCENT = 90.0
"""Of one core: a load process is single-threaded. Locust itself warns at the same figure."""
UPSTREAM_LATE_LIMIT = 0.05
"""Mean lateness over the mean wait asked for: the mean is what Little's law sees."""
DESCRIPTORS_LIMIT = 0.95


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
    upstream_late_share: float | None
    descriptors_peak: int | None
    descriptor_errors: int


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """The gravest first."""
    found = [
        check(evidence)
        for check in (
            interrupted,
            counts_disagree,
            descriptors,
            journal_lost,
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
    if not evidence.contradictions or record.deaths or record.interrupted or record.journals_lost:
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
    starved = slowest_s is None or (oldest_s is not None and oldest_s > slowest_s)
    data: dict[str, float | int | str] = {
        "unfinished": evidence.unfinished,
        "completed": evidence.completed,
    }
    if evidence.oldest_unfinished_s is not None:
        data["oldest_s"] = evidence.oldest_unfinished_s
    return Verdict("UNFINISHED", "warning" if starved else "info", data)
