from typing import Self

from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class JournalLost(Verdict):
    """A worker died before it had written anything to its journal."""

    code = "JOURNAL_LOST"
    rank = 40
    advice = "their requests are missing from handlers and threads"
    severity = "warning"

    journals: int

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        lost = evidence.record.journals_lost
        return cls(journals=len(lost)) if lost else None

    @property
    def message(self) -> str:
        return f"{self.journals} worker(s) died before they wrote anything down"
