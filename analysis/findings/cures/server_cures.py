"""Changes of the command that starts the service."""

from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure

STEP = 10


def propose_option(evidence: AuditEvidence, option: str, value: int, reason: str) -> Cure:
    """Set the option to another value in the given command."""
    words = list(evidence.record.command)
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            before, after = f"{option} {words[place + 1]}", f"{option} {value}"
            return Cure(None, None, (before,), (after,), reason)
        if word.startswith(f"{option}="):
            return Cure(None, None, (word,), (f"{option}={value}",), reason)
    return Cure(None, None, (), (f"{option} {value}",), reason)


def count_connections(evidence: AuditEvidence) -> int:
    """Return the most connections of clients: one per user, and the background request's."""
    return 1 + max((each.users for each in evidence.record.phases), default=1)


def round_up(number: int) -> int:
    return -(-number // STEP) * STEP
