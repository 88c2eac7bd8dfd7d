"""Unanswered requests, and the users that the answered ones do not account for."""

from analysis.stats import formats
from analysis.verdicts.base import Evidence, Severity, Verdict
from scenarios.units import Second

LONGER = 1.1
"""In a fair queue, the last request may wait a little longer than any before."""


class LittleMismatch(Verdict):
    """The completed requests do not account for all users. users_seen: throughput × (response
    time + think time); users_seen_exactly: mean number of users in an answered request.
    gap_percent: the smaller gap of the two."""

    rank = 170
    error_means = "as measured"

    users: int
    users_seen: float
    users_seen_exactly: float
    gap_percent: float
    unanswered: int

    @classmethod
    def check(cls, evidence: Evidence) -> "LittleMismatch | None":
        """Return None after a worker's death: it ends requests that began long before, so that the
        law does not hold at the window's edges. The request accounting covers them."""
        law = evidence.littles_law
        if law is None or law.holds or evidence.record.deaths or evidence.record.interrupted:
            return None
        if evidence.instruments.load_processes_died:  # LoadProcessDied reports the missing users
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
        """True if too few users are accounted for, and some got no response."""
        return self.gap_percent > 0 and self.unanswered > 0

    @property
    def severity(self) -> Severity:
        return "error" if self.starves else "warning"

    @property
    def message(self) -> str:
        seen = self.users * (1 - self.gap_percent / 100)
        law = (
            "by Little's law (throughput × response and think time), the completed requests "
            f"account for {seen:.0f} of {self.users} users"
        )
        if self.starves:
            return f"{law}; {self.unanswered} got no response in the whole window"
        return f"{law}: the window is not steady, or too short compared with a response"

    @property
    def advice(self) -> str:
        if self.starves:
            return COUNT_THEM
        return "use a longer --duration before you compare the latencies"


COUNT_THEM = (
    "use the median that counts unanswered requests by their age: the plain median and p99 leave "
    "these out"
)


class Unfinished(Verdict):
    """Requests still unanswered when the drain ended. A closed loop always ends with users in the
    queue. It is a warning when one of them waited longer than any completed request, or when users
    got no response in the whole window: then the completed requests look too good. slowest_s: of
    the completed requests. starved: users without a response, where the completed requests do not
    account for them."""

    rank = 190
    error_means = "as measured"

    unfinished: int
    completed: int
    oldest_s: Second | None
    slowest_s: Second | None
    starved: int | None = None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        """Return None where the load itself stopped: its leftovers say nothing about the server."""
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
        were = "request was" if self.unfinished == 1 else "requests were"
        waited = f"{self.unfinished:,} {were} unanswered when the drain ended"
        if self.oldest_s is not None:
            waited += f", the oldest after {self.oldest_s:,.1f} s"
        if self.slowest_s is None:
            return f"{waited}; none completed in the window"
        waited += f"; the slowest completed request took {self.slowest_s:,.1f} s"
        if self.starved:
            users = formats.count_things(self.starved, "user")
            waited += f", and {users} got no response in the whole window"
        if self.severity == "info":
            return waited
        return f"{waited}: the median covers only the {self.completed:,} completed requests"

    @property
    def advice(self) -> str:
        if self.severity == "info":
            return "nothing to do: some requests are always in flight when the load ends"
        return COUNT_THEM
