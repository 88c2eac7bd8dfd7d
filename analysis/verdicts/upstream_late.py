from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence

LATE_LIMIT_SHARE = 0.05
"""Mean lateness over the mean wait asked for: the mean is what Little's law sees."""


class UpstreamLate(Verdict):
    """The upstream took longer than it was asked to."""

    rank = 100
    text = "the upstream waited {late_percent:.1f} % longer than it was asked to"
    advice = "the latency is partly the upstream's; try --upstream go or fewer users"
    severity = "error"

    late_percent: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        share = evidence.instruments.summary.upstream_late_share or 0.0
        return cls(late_percent=100 * share) if share > LATE_LIMIT_SHARE else None
