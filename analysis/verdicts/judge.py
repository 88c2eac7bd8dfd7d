"""The judgement: from evidence to verdicts. A check a verdict; each limit has its reason."""

from math import sqrt

from analysis.verdicts.judge_instruments import (
    check_cores,
    check_descriptors,
    check_engine,
    check_generator,
    check_journals,
    check_leftover_threads,
    check_load_processes,
    check_machine_load,
    check_probe,
    check_profile,
    check_upstream,
    check_window_length,
)
from analysis.verdicts.model import Backlog, Data, Evidence, Verdict

LONGER = 1.1
"""In a fair queue the last to wait may wait a little longer than any before."""
GROWTH_LIMIT_SHARE = 0.02
GROWTH_LIMIT_DEVIATIONS = 3.0
"""Of an open loop's backlog, over the offered rate; and beyond the chance of random arrivals."""
FAILING_SHARE = 0.01
TURNS = 3.0
"""A queue has forgotten how it began after everybody was served about three times."""


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """The gravest first."""
    found = [
        check(evidence)
        for check in (
            check_interruption,
            check_request_counts,
            check_descriptors,
            check_journals,
            check_load_processes,
            check_probe,
            check_leftover_threads,
            check_worker_deaths,
            check_generator,
            check_upstream,
            check_machine_load,
            check_cores,
            check_engine,
            check_profile,
            check_window_length,
            check_overload,
            check_littles_law,
            check_steadiness,
            check_unfinished,
        )
    ]
    return tuple(verdict for verdict in found if verdict is not None)


def check_interruption(evidence: Evidence) -> Verdict | None:
    reason = evidence.record.interrupted
    return Verdict("INTERRUPTED", "error", {"reason": reason}) if reason else None


def check_request_counts(evidence: Evidence) -> Verdict | None:
    """Dead workers and cut-short cells lose requests for a reason that is told elsewhere."""
    record, counts = evidence.record, evidence.counts
    contradictions = dict(counts.contradictions)
    if evidence.backlog is not None and is_overloaded(evidence.backlog):
        # a full listen queue drops connections that the generator takes for made
        contradictions.pop("vanished", None)
    if not contradictions or record.interrupted:
        return None
    if record.deaths or record.journals_lost or evidence.instruments.load_processes_died:
        return None
    data: dict[str, float | int | str] = {
        "sent": counts.sent,
        **contradictions,
    }
    if counts.app_received is not None:
        data["app_received"] = counts.app_received
    if counts.upstream_received is not None:
        data["upstream_received"] = counts.upstream_received
    return Verdict("COUNTS_DISAGREE", "error", data)


def check_worker_deaths(evidence: Evidence) -> Verdict | None:
    deaths = evidence.record.deaths
    if not deaths:
        return None
    causes = sorted({death.cause for death in deaths})
    return Verdict("WORKER_DEATHS", "error", {"deaths": len(deaths), "causes": ", ".join(causes)})


def is_failing(backlog: Backlog) -> bool:
    """Requests that fail quickly leave no backlog, and are not served."""
    lost_rps = backlog.offered_rps - backlog.sustained_rps - max(0.0, backlog.growth_per_s)
    return backlog.failed_rps > FAILING_SHARE * backlog.offered_rps and lost_rps > 0


def is_overloaded(backlog: Backlog) -> bool:
    return is_growing(backlog) or is_failing(backlog)


def is_growing(backlog: Backlog) -> bool:
    """Of random arrivals the number under way varies by its square root; two looks at it differ
    by sqrt(2) of that. Of constant ones a request or two come before or after a look."""
    by_chance = sqrt(2 * backlog.mean_under_way) if backlog.random_arrivals else 1.0
    bearable_per_s = max(
        GROWTH_LIMIT_SHARE * backlog.offered_rps,
        GROWTH_LIMIT_DEVIATIONS * by_chance / backlog.window_s,
    )
    return backlog.growth_per_s > bearable_per_s


def check_overload(evidence: Evidence) -> Verdict | None:
    """Then every latency only says how long the test was: request k waits k (1/C - 1/λ)."""
    backlog = evidence.backlog
    if backlog is None or not is_overloaded(backlog):
        return None
    data = {
        "offered_rps": backlog.offered_rps,
        "sustained_rps": backlog.sustained_rps,
        "growth_per_s": backlog.growth_per_s,
        "failed_rps": backlog.failed_rps,
        "cause": "growth" if is_growing(backlog) else "failures",
    }
    return Verdict("OVERLOADED", "error", data)


def check_littles_law(evidence: Evidence) -> Verdict | None:
    """A worker's death ends requests of the cycle before: the window's edges are then too coarse
    for the law, and the fates tell the story."""
    law = evidence.answers.little
    if law is None or law.holds or evidence.record.deaths or evidence.record.interrupted:
        return None
    if evidence.instruments.load_processes_died:  # its users are missing, and that is told
        return None
    data = {
        "users": law.users,
        "users_seen": law.users * (1 - law.gap),
        "gap_percent": 100 * law.gap,
        "unanswered": law.unanswered,
    }
    return Verdict("LITTLE_MISMATCH", "error" if law.starves else "warning", data)


def check_steadiness(evidence: Evidence) -> Verdict | None:
    """With how much longer to run: an estimate from how long a turn of all users takes."""
    record, found = evidence.record, evidence.steadiness
    if record.phases.window_start_s is None or record.cycles_planned is not None:
        return None
    if evidence.backlog is not None and is_overloaded(evidence.backlog):
        return None  # it never will be steady, and that verdict says so
    longer_s = max(found.window_s, TURNS * (found.turn_s or 0.0))
    if not record.phases.steady:
        data: Data = {
            "cause": "warm-up",
            "warm_up_limit_s": record.warm_up_limit_s,
            "unwarmed": found.unwarmed,
            "longer_s": longer_s,
        }
        return Verdict("NOT_STEADY", "warning", data)
    if found.settles_late:
        late: Data = {"cause": "late", "longer_s": longer_s}
        return Verdict("NOT_STEADY", "warning", late)
    drifts = (("response", found.response_drift), ("throughput", found.throughput_drift))
    for cause, drift in drifts:
        if drift is not None and drift.matters:
            data = {"cause": cause, "percent": 100 * drift.share, "longer_s": longer_s}
            return Verdict("NOT_STEADY", "warning", data)
    return None


def check_unfinished(evidence: Evidence) -> Verdict | None:
    """A closed loop always ends with users in the queue. It is worth a warning when one of them
    waited longer than anybody who was answered: then the answered tell too good a story. Where the
    load itself ended, what it left behind says nothing of the server."""
    answers = evidence.answers
    if not answers.unfinished or evidence.record.interrupted:
        return None
    if evidence.instruments.load_processes_died:
        return None
    slowest_s, oldest_s = answers.slowest_completed_s, answers.oldest_unfinished_s
    starved = slowest_s is None or (oldest_s is not None and oldest_s > LONGER * slowest_s)
    data: dict[str, float | int | str] = {
        "unfinished": answers.unfinished,
        "completed": answers.completed,
    }
    if oldest_s is not None:
        data["oldest_s"] = oldest_s
    return Verdict("UNFINISHED", "warning" if starved else "info", data)
