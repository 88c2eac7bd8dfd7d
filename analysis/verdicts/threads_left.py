from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class ThreadsLeft(Verdict):
    """A server that was kept running still had threads from earlier runs."""

    rank = 70
    text = "the held-up server still had {threads} threads from earlier runs"
    advice = "threads live counts them too; `study run` without --served starts fresh"
    severity = "warning"

    threads: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        left = evidence.record.threads_left
        return cls(threads=left) if left else None
