"""The cell did not run to its end."""

from dataclasses import dataclass
from typing import ClassVar, Self

from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Verdict):
    code = "INTERRUPTED"
    rank = 10
    advice = "run it again; do not compare these figures"
    severity: ClassVar[Severity] = "error"

    reason: str

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        reason = evidence.record.interrupted
        return cls(reason=reason) if reason else None

    @property
    def message(self) -> str:
        return f"cut short: {self.reason}; the figures are of what came before"
