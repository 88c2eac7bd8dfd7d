from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class JournalLost(Verdict):
    """A worker died before it had written anything to its journal."""

    rank = 40
    text = "{journals} worker(s) died before they wrote anything down"
    advice = "their requests are missing from handlers and threads"
    severity = "warning"

    journals: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        lost = evidence.record.journals_lost
        return cls(journals=len(lost)) if lost else None
