"""A server that was kept running still had threads from earlier runs."""

from dataclasses import dataclass
from typing import ClassVar, Self

from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadsLeft(Verdict):
    code = "THREADS_LEFT"
    rank = 70
    advice = "threads live counts them too; `study run` without --served starts fresh"
    severity: ClassVar[Severity] = "warning"

    threads: int

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        left = evidence.record.threads_left
        return cls(threads=left) if left else None

    @property
    def message(self) -> str:
        return f"the held-up server still had {self.threads} threads from earlier runs"
