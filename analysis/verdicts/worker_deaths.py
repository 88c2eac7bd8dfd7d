from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class WorkerDeaths(Verdict):
    """Workers of the server died."""

    rank = 80
    text = "{deaths} worker death(s): {causes}"
    advice = "each death resets all open connections; --worker-timeout 0 ends the killing"
    severity = "error"

    deaths: int
    causes: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        deaths = evidence.record.deaths
        causes = ", ".join(sorted({death.cause for death in deaths}))
        return cls(deaths=len(deaths), causes=causes) if deaths else None
