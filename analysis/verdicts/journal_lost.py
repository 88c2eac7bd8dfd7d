"""A worker died before it had written anything to its journal."""

from dataclasses import dataclass
from typing import ClassVar, Self

from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLost(Verdict):
    code = "JOURNAL_LOST"
    rank = 40
    advice = "their requests are missing from handlers and threads"
    severity: ClassVar[Severity] = "warning"

    journals: int

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        lost = evidence.record.journals_lost
        return cls(journals=len(lost)) if lost else None

    @property
    def message(self) -> str:
        return f"{self.journals} worker(s) died before they wrote anything down"
