"""Requests that nobody answered, and the users that the answered ones do not account for."""

from analysis.verdicts.base import Evidence, Severity, Verdict
from scenarios.units import Second

LONGER = 1.1
"""In a fair queue the last to wait may wait a little longer than any before."""


class LittleMismatch(Verdict):
    """The completed requests do not account for all users. users_seen: throughput × (response +
    think); users_seen_exactly: those in an answered request at any moment. gap_percent is that of
    the nearer one."""

    rank = 170
    error_means = "as measured"

    users: int
    users_seen: float
    users_seen_exactly: float
    gap_percent: float
    unanswered: int

    @classmethod
    def check(cls, evidence: Evidence) -> "LittleMismatch | None":
        """A worker's death ends requests of the cycle before: the window's edges are then too
        coarse for the law, and the request accounting says what became of them."""
        law = evidence.littles_law
        if law is None or law.holds or evidence.record.deaths or evidence.record.interrupted:
            return None
        if evidence.instruments.load_processes_died:  # its users are missing: another verdict
            return None
        return cls(
            users=law.users_started,
            users_seen=law.users_seen,
            users_seen_exactly=law.users_seen_exactly,
            gap_percent=100 * law.gap,
            unanswered=law.users_unanswered,
        )

    @property
    def starves(self) -> bool:
        """Fewer users are accounted for than there are, and some were never answered."""
        return self.gap_percent > 0 and self.unanswered > 0

    @property
    def severity(self) -> Severity:
        return "error" if self.starves else "warning"

    @property
    def message(self) -> str:
        law = (
            f"throughput × (response + think) accounts for {self.users_seen:.0f} of "
            f"{self.users} users, and {self.users_seen_exactly:.0f} are in an answered request at "
            f"any moment ({abs(self.gap_percent):.0f} % off at best)"
        )
        if self.starves:
            return f"{law}; {self.unanswered} got no answer in the whole window"
        return f"{law}: the window is no steady state, or too short against a response"

    @property
    def advice(self) -> str:
        if self.starves:
            return COUNT_THEM
        return "use a longer --duration before you compare the latencies"


COUNT_THEM = (
    "judge by the median that counts the unanswered with their age: median and p99 leave them out"
)


class Unfinished(Verdict):
    """Requests that nobody had answered when the drain ended. A closed loop always ends with users
    in the queue. It is worth a warning when one of them waited longer than any user who was
    answered, or when users got no answer in the whole window: then the answered tell too good a
    story. slowest_s: of those that completed. starved: users without an answer, where the completed
    requests do not account for them."""

    rank = 190
    error_means = "as measured"

    unfinished: int
    completed: int
    oldest_s: Second | None
    slowest_s: Second | None
    starved: int | None = None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        """Where the load itself ended, what it left behind says nothing of the server."""
        load_ended = evidence.record.interrupted or evidence.instruments.load_processes_died
        if not evidence.unfinished or load_ended:
            return None
        law = LittleMismatch.check(evidence)
        return cls(
            unfinished=evidence.unfinished,
            completed=evidence.completed,
            oldest_s=evidence.oldest_unfinished_s,
            slowest_s=evidence.slowest_completed_s,
            starved=law.unanswered if law is not None and law.starves else None,
        )

    @property
    def severity(self) -> Severity:
        longer = self.slowest_s is None or (self.oldest_s or 0.0) > LONGER * self.slowest_s
        return "warning" if longer or self.starved else "info"

    @property
    def message(self) -> str:
        waited = f"{self.unfinished} requests had no answer when the drain ended"
        if self.oldest_s is not None:
            waited += f", the oldest after {self.oldest_s:,.1f} s"
        if self.slowest_s is None:
            return f"{waited}; none completed in the window"
        waited += f"; the slowest that completed took {self.slowest_s:,.1f} s"
        if self.starved:
            waited += f", and {self.starved} users got no answer in the whole window"
        if self.severity == "info":
            return waited
        return f"{waited}: the median leaves them out, it is of the {self.completed} that completed"

    @property
    def advice(self) -> str:
        if self.severity == "info":
            return "nothing: some requests are always under way when the load ends"
        return COUNT_THEM
