from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence

FULL_SHARE = 0.95
"""Of all cores: what is left is the kernel's, which belongs to no process."""


class CoresFull(Verdict):
    """Server, database and load together used all cores. No part is then the limit by itself, and
    on more cores each would be faster."""

    rank = 120
    text = (
        "all together used {used:.2f} of {cores} cores: server, database and load took each "
        "other's turns"
    )
    advice = "on more cores it would be faster; read ratios, not rates"
    severity = "warning"

    used: float
    cores: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        used, cores = evidence.instruments.cores_used, evidence.record.cores
        if used is None or cores is None or used <= FULL_SHARE * cores:
            return None
        return cls(used=used, cores=cores)
