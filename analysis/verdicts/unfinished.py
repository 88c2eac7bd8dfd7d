from analysis.verdicts.base import Data, Severity, Verdict
from analysis.verdicts.evidence import Evidence
from scenarios.units import Second

LONGER = 1.1
"""In a fair queue the last to wait may wait a little longer than any before."""


class Unfinished(Verdict):
    """Requests that nobody had answered when the drain ended. A closed loop always ends with users
    in the queue. It is worth a warning when one of them waited longer than any user who was
    answered: then the answered tell too good a story."""

    rank = 190
    advice = "read the line `with the unanswered`, which counts them with their age"

    unfinished: int
    completed: int
    oldest_s: Second | None
    slowest_s: Second | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        """Where the load itself ended, what it left behind says nothing of the server."""
        if not evidence.unfinished or evidence.record.interrupted:
            return None
        if evidence.instruments.load_processes_died:
            return None
        return cls(
            unfinished=evidence.unfinished,
            completed=evidence.completed,
            oldest_s=evidence.oldest_unfinished_s,
            slowest_s=evidence.slowest_completed_s,
        )

    @property
    def severity(self) -> Severity:
        if self.slowest_s is None:
            return "warning"
        return "warning" if (self.oldest_s or 0.0) > LONGER * self.slowest_s else "info"

    @property
    def data(self) -> Data:
        return {name: value for name, value in super().data.items() if name != "slowest_s"}

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
