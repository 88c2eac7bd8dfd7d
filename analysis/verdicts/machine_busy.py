from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence

OTHER_LOAD_LIMIT_CORES = 0.15
STOLEN_LIMIT_CORES = 0.05
"""Cells of an idle machine showed others using up to 0.03 cores and nothing stolen."""
SPOILT_CORES = 0.5
"""Beyond, the figures are of a machine that nobody knows."""


class MachineBusy(Verdict):
    """Work that is no part of the cell took CPU from it. Other processes of this machine, or time
    that the hypervisor gave to other machines."""

    rank = 110
    text = (
        "others kept {other_cores:.2f} cores of this machine busy meanwhile, and "
        "{stolen_cores:.2f} were taken from it"
    )
    advice = "end what else runs here, or take the figures as those of a smaller machine"

    other_cores: float
    stolen_cores: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        other = evidence.instruments.summary.other_load_cores or 0.0
        stolen = evidence.instruments.summary.stolen_cores or 0.0
        if other <= OTHER_LOAD_LIMIT_CORES and stolen <= STOLEN_LIMIT_CORES:
            return None
        return cls(other_cores=other, stolen_cores=stolen)

    @property
    def severity(self) -> Severity:
        return "error" if self.other_cores + self.stolen_cores > SPOILT_CORES else "warning"
