"""Which findings a trial concerns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.remedies import Tried
from records.trial import Trial, parse_trial

CODES: Mapping[str, tuple[str, ...]] = {
    "pool": ("POOL_WAIT", "POOL_DEADLOCK", "THREADS_PINNED", "LIMITER_SIZE"),
    "executor": ("EXECUTOR_WAIT",),
    "offload": ("LOOP_BLOCKED",),
    "workers": ("LOOP_BLOCKED", "WORKER_KILLED", "ACCEPT_QUEUE", "REFUSED_REQUESTS"),
    "loop": (),
}
"""By kind: findings that the change may take away, or make smaller."""


def attach_trials(
    found: Sequence[AuditFinding], tried: Sequence[Tried]
) -> tuple[AuditFinding, ...]:
    """Each finding gets the trial of its own cure; without one, the first that concerns it."""
    return tuple(replace(each, tried=choose_trial(each, tried)) for each in found)


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
    """A thread takes over what an endpoint does, and nothing else of its route."""
    if found.code not in CODES[trial.kind]:
        return False
    if trial.kind == "offload":
        return found.route == trial.value and found.phase == "endpoint"
    return True
