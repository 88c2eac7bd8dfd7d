"""Requests that this run did not send."""

from analysis.stats import formats
from analysis.verdicts.base import Evidence, Severity, Verdict

MOST_SHARE = 0.02
"""Of all requests, or of the pool: as much as two equal servers differ by."""


class OtherClients(Verdict):
    """Other programs sent requests to the measured server. Their rows are kept apart, and what they
    took from the load's requests is not known."""

    rank = 95
    doubt = "other programs sent requests to the server"
    error_means = "at least"
    advice = "stop the other programs, or use a port that they do not use (--port)"

    requests: int
    percent: float
    pool_percent: float | None = None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        found = evidence.other_clients
        if not found.requests:
            return None
        pool_share = found.pool_share
        return cls(
            requests=found.requests,
            percent=100 * found.share,
            pool_percent=None if pool_share is None else 100 * pool_share,
        )

    @property
    def severity(self) -> Severity:
        most = max(self.percent, self.pool_percent or 0.0)
        return "error" if most > 100 * MOST_SHARE else "warning"

    @property
    def message(self) -> str:
        requests = formats.count_things(self.requests, "request")
        pool = "" if self.pool_percent is None else (
            f", and these took {self.pool_percent:.0f} % of the pool's thread time"
        )  # fmt: skip
        return (
            f"other programs sent {requests} to the server in the window ({self.percent:.0f} % of "
            f"all){pool}"
        )
