from typing import Self

from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class WorkerDeaths(Verdict):
    """Workers of the server died."""

    code = "WORKER_DEATHS"
    rank = 80
    advice = "each death resets all open connections; --worker-timeout 0 ends the killing"
    severity = "error"

    deaths: int
    causes: str

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        deaths = evidence.record.deaths
        causes = ", ".join(sorted({death.cause for death in deaths}))
        return cls(deaths=len(deaths), causes=causes) if deaths else None

    @property
    def message(self) -> str:
        return f"{self.deaths} worker death(s): {self.causes}"
