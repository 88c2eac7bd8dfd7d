from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class Interrupted(Verdict):
    """The cell did not run to its end."""

    rank = 10
    text = "cut short: {reason}; the figures are of what came before"
    advice = "run it again; do not compare these figures"
    severity = "error"

    reason: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        reason = evidence.record.interrupted
        return cls(reason=reason) if reason else None
