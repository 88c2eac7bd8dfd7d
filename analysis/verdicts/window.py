"""What a window does not show: too short, not steady, or with requests that nobody answered."""

from typing import Literal

from analysis.verdicts.base import Data, Evidence, Severity, Verdict
from scenarios.units import Second
from scenarios.warm_up import WARM_UP_LIMIT_S

TURNS = 3.0
"""A queue has forgotten how it began after everybody was served about three times."""
LONGER = 1.1
"""In a fair queue the last to wait may wait a little longer than any before."""


class TooShort(Verdict):
    """The window was too short to see what the limit was. CPU is known by the second: without a
    whole one in the window, whether the load was the limit is not known."""

    rank = 150
    text = (
        "the window lasted {window_s:.2f} s: too short to see whether the load itself was the limit"
    )
    advice = "count more --requests, or give a --duration instead"
    severity = "error"

    window_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        window_s = evidence.steadiness.window.length_s
        known = evidence.instruments.generator_cpu_percent
        if known or not window_s or evidence.record.interrupted:
            return None
        return cls(window_s=window_s)


class Overloaded(Verdict):
    """An open loop offered more than was served. Then every latency only says how long the test
    was: request k waits k (1/C - 1/λ)."""

    rank = 160
    advice = "offer less than is served; `study capacity` finds how much that is"
    severity = "error"

    offered_rps: float
    sustained_rps: float
    growth_per_s: float
    failed_rps: float
    cause: Literal["growth", "failures"]

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        backlog = evidence.backlog
        if backlog is None or backlog.overload is None:
            return None
        return cls(
            offered_rps=backlog.offered_rps,
            sustained_rps=backlog.sustained_rps,
            growth_per_s=backlog.growth_per_s,
            failed_rps=backlog.failed_rps,
            cause=backlog.overload,
        )

    @property
    def message(self) -> str:
        rates = (
            f"{self.offered_rps:.1f} requests a second were offered and "
            f"{self.sustained_rps:.1f} served"
        )
        if self.cause == "failures":
            return (
                f"{rates}: {self.failed_rps:.1f} failed, and how quickly "
                "a request fails is no latency"
            )
        return (
            f"{rates}; what waits grew by {self.growth_per_s:.1f} a "
            "second: the latencies only say how long the test was"
        )


class LittleMismatch(Verdict):
    """The completed requests do not account for all users. users_seen: throughput × (response +
    think); users_seen_exactly: those in an answered request at any moment. gap_percent is that of
    the nearer one."""

    rank = 170
    advice = "read the line of the unanswered, and mistrust the survivors' latencies"

    users: int
    users_seen: float
    users_seen_exactly: float
    gap_percent: float
    unanswered: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
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


class NotSteady(Verdict):
    """The window was not in a steady state. longer_s: how much longer to run, estimated from how
    long a turn of all users takes. percent: by how much response or throughput drifted."""

    rank = 180
    advice = "use a longer --duration, or take the figures as what a growing queue looks like"
    severity = "warning"

    cause: Literal["no warm-up", "warm-up", "late", "response", "throughput"]
    turn_s: Second | None = None
    warm_up_limit_s: Second | None = None
    unwarmed: int | None = None
    percent: float | None = None
    longer_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        record, found = evidence.record, evidence.steadiness
        if record.phases.window_start_s is None or record.cycles_planned is not None:
            return None
        if evidence.is_overloaded:
            return None  # it never will be steady, and that verdict says so
        longer_s = max(found.window.length_s, TURNS * (found.turn_s or 0.0))
        if not record.phases.steady and record.turn_s is not None:
            longer_s = max(longer_s, record.turn_s)
            return cls(cause="no warm-up", turn_s=record.turn_s, longer_s=longer_s)
        if not record.phases.steady:
            return cls(
                cause="warm-up",
                warm_up_limit_s=record.warm_up_limit_s,
                unwarmed=found.unwarmed,
                longer_s=longer_s,
            )
        if found.window.settles_late:
            return cls(cause="late", longer_s=longer_s)
        for cause, drift in found.drifts.items():
            if drift.matters:
                return cls(cause=cause, percent=100 * drift.share, longer_s=longer_s)
        return None

    @property
    def message(self) -> str:
        longer = f"run about {max(1.0, self.longer_s):,.0f} s longer"
        if self.cause == "no warm-up":
            return (
                f"the window opened with no warm-up: until each user is served once, "
                f"{self.turn_s:,.0f} s pass at least, and a warm-up lasts {WARM_UP_LIMIT_S:.0f} s "
                f"at most: {longer}"
            )
        if self.cause == "warm-up":
            return (
                f"{self.unwarmed} users were not served once within {self.warm_up_limit_s:.0f} s "
                f"of warm-up; the window opened on a queue that still grew: {longer}"
            )
        if self.cause == "late":
            return f"the responses came to their level only after a fifth of the window: {longer}"
        return f"the {self.cause} drifted by {self.percent:+.0f} % over the window: {longer}"


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
        load_ended = evidence.record.interrupted or evidence.instruments.load_processes_died
        if not evidence.unfinished or load_ended:
            return None
        return cls(
            unfinished=evidence.unfinished,
            completed=evidence.completed,
            oldest_s=evidence.oldest_unfinished_s,
            slowest_s=evidence.slowest_completed_s,
        )

    @property
    def severity(self) -> Severity:
        longer = self.slowest_s is None or (self.oldest_s or 0.0) > LONGER * self.slowest_s
        return "warning" if longer else "info"

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
