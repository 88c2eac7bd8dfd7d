from typing import Literal

from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


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
        if backlog is None or not backlog.is_overloaded:
            return None
        return cls(
            offered_rps=backlog.offered_rps,
            sustained_rps=backlog.sustained_rps,
            growth_per_s=backlog.growth_per_s,
            failed_rps=backlog.failed_rps,
            cause="growth" if backlog.is_growing else "failures",
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
