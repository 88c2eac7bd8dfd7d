"""The findings that a trial tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.remedies import Tried
from analysis.findings.waits.find_queue import find_queue
from analysis.findings.waits.queue_names import DEFAULT_EXECUTOR, POOL, name_queue
from analysis.findings.waits.threads_pinned import ThreadsPinned
from records.trial import Trial, parse_trial

QUEUES: Mapping[str, str] = {"pool": POOL.name, "executor": DEFAULT_EXECUTOR.name}
CODES: Mapping[str, tuple[str, ...]] = {
    "pool": ("LIMITER_SIZE",),
    "offload": ("LOOP_BLOCKED",),
    "workers": ("LOOP_BLOCKED", "WORKER_KILLED", "ACCEPT_QUEUE", "REFUSED_REQUESTS"),
}
"""Findings that each kind of change may reduce, in addition to those of its queue."""


def attach_trials(
    found: Sequence[AuditFinding], tried: Sequence[Tried]
) -> tuple[AuditFinding, ...]:
    """Attach the trial of each finding's own cure, or else the first that concerns it. If there are
    only others, give the reason."""
    if not tried:
        return tuple(found)
    return tuple(
        replace(each, tried=choose_trial(each, tried) or Tried(None, reason=explain_lack(each)))
        for each in found
    )


def explain_lack(found: AuditFinding) -> str:
    """Explain why none of the trials concerns the finding."""
    if found.cure is None:
        return "no change is proposed that a trial could measure"
    trial = found.cure.trial
    return f"--try {trial} was not given" if trial else "no --try measures this change"


def choose_trial(found: AuditFinding, tried: Sequence[Tried]) -> Tried | None:
    own = found.cure.trial if found.cure else None
    concerning = [
        each
        for each in tried
        if each.trial == own or concerns(parse_trial(each.trial or ""), found)
    ]
    return min(
        concerning, key=lambda each: (each.trial != own, each.reason is not None), default=None
    )


def concerns(trial: Trial, found: AuditFinding) -> bool:
    """Return True if the trial changes the finding. offload moves only the endpoint itself."""
    pinned = name_queue(found.queue, None).name if isinstance(found, ThreadsPinned) else None
    if QUEUES.get(trial.kind, "") in (find_queue(found), pinned):
        return True
    if found.code not in CODES.get(trial.kind, ()):
        return False
    if trial.kind == "offload":
        return found.route == trial.value and found.phase == "endpoint"
    return True
