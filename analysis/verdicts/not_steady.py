from typing import Literal

from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence
from scenarios.units import Second

TURNS = 3.0
"""A queue has forgotten how it began after everybody was served about three times."""


class NotSteady(Verdict):
    """The window was not in a steady state. longer_s: how much longer to run, estimated from how
    long a turn of all users takes. percent: by how much response or throughput drifted."""

    rank = 180
    advice = "use a longer --duration, or take the figures as what a growing queue looks like"
    severity = "warning"

    cause: Literal["warm-up", "late", "response", "throughput"]
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
        if not record.phases.steady:
            return cls(
                cause="warm-up",
                warm_up_limit_s=record.warm_up_limit_s,
                unwarmed=found.unwarmed,
                longer_s=longer_s,
            )
        if found.window.settles_late:
            return cls(cause="late", longer_s=longer_s)
        if (drift := found.response_drift) is not None and drift.matters:
            return cls(cause="response", percent=100 * drift.share, longer_s=longer_s)
        if (drift := found.throughput_drift) is not None and drift.matters:
            return cls(cause="throughput", percent=100 * drift.share, longer_s=longer_s)
        return None

    @property
    def message(self) -> str:
        longer = f"run about {max(1.0, self.longer_s):.0f} s longer"
        if self.cause == "warm-up":
            return (
                f"{self.unwarmed} users were not served once within {self.warm_up_limit_s:.0f} s "
                f"of warm-up; the window opened on a queue that still grew: {longer}"
            )
        if self.cause == "late":
            return f"the responses came to their level only after a fifth of the window: {longer}"
        return f"the {self.cause} drifted by {self.percent:+.0f} % over the window: {longer}"
