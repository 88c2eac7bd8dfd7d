from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence


class LittleMismatch(Verdict):
    """The completed requests do not account for all users."""

    rank = 170
    advice = "read the line of the unanswered, and mistrust the survivors' latencies"

    users: int
    users_seen: float
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
            users=law.users,
            users_seen=law.users * (1 - law.gap),
            gap_percent=100 * law.gap,
            unanswered=law.unanswered,
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
            f"{self.users} users ({abs(self.gap_percent):.0f} % off)"
        )
        if self.starves:
            return f"{law}; {self.unanswered} got no answer in the whole window"
        return f"{law}: the window is no steady state, or too short against a response"
