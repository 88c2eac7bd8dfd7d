from typing import Self

from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class ThreadsLeft(Verdict):
    """A server that was kept running still had threads from earlier runs."""

    code = "THREADS_LEFT"
    rank = 70
    advice = "threads live counts them too; `study run` without --served starts fresh"
    severity = "warning"

    threads: int

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        left = evidence.record.threads_left
        return cls(threads=left) if left else None

    @property
    def message(self) -> str:
        return f"the held-up server still had {self.threads} threads from earlier runs"
