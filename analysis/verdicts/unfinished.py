"""Requests that nobody had answered when the drain ended."""

from dataclasses import dataclass
from typing import Self

from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence
from scenarios.units import Second

LONGER = 1.1
"""In a fair queue the last to wait may wait a little longer than any before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished(Verdict):
    """A closed loop always ends with users in the queue. It is worth a warning when one of them
    waited longer than any user who was answered: then the answered tell too good a story."""

    code = "UNFINISHED"
    rank = 190
    advice = "read the line `with the unanswered`, which counts them with their age"

    unfinished: int
    completed: int
    oldest_s: Second | None
    severity: Severity

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        """Where the load itself ended, what it left behind says nothing of the server."""
        answers = evidence.answers
        if not answers.unfinished or evidence.record.interrupted:
            return None
        if evidence.instruments.load_processes_died:
            return None
        slowest_s, oldest_s = answers.slowest_completed_s, answers.oldest_unfinished_s
        starved = slowest_s is None or (oldest_s is not None and oldest_s > LONGER * slowest_s)
        return cls(
            unfinished=answers.unfinished,
            completed=answers.completed,
            oldest_s=oldest_s,
            severity="warning" if starved else "info",
        )

    @property
    def message(self) -> str:
        if self.severity == "info":
            return (
                f"{self.unfinished} requests were still in the queue when the drain "
                "ended, none for longer than the slowest that was answered"
            )
        oldest = "" if self.oldest_s is None else f", the oldest for {self.oldest_s:.0f} s"
        return (
            f"{self.unfinished} requests were not answered{oldest}, longer than any that "
            f"was; the median is of the {self.completed} that were answered"
        )
