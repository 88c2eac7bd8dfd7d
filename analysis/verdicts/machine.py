"""What the machine did meanwhile: work of others, a quota."""

from analysis.verdicts.base import Evidence, Severity, Verdict

OTHER_LOAD_LIMIT_CORES = 0.15
STOLEN_LIMIT_CORES = 0.05
"""Cells of an idle machine showed others using up to 0.03 cores and nothing stolen."""
SPOILT_CORES = 0.5
"""Beyond, the figures are of a machine that nobody knows."""


class MachineBusy(Verdict):
    """Work that is no part of the cell took CPU from it. Other processes of this machine, or time
    that the hypervisor gave to other machines."""

    rank = 110
    doubt = "the machine was busy with other work"
    error_means = "at least"

    other_cores: float
    stolen_cores: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        other = evidence.instruments.other_load_cores or 0.0
        stolen = evidence.instruments.stolen_cores or 0.0
        if other <= OTHER_LOAD_LIMIT_CORES and stolen <= STOLEN_LIMIT_CORES:
            return None
        return cls(other_cores=other, stolen_cores=stolen)

    @property
    def severity(self) -> Severity:
        return "error" if self.other_cores + self.stolen_cores > SPOILT_CORES else "warning"

    @property
    def message(self) -> str:
        taken = []
        if self.other_cores > OTHER_LOAD_LIMIT_CORES:
            taken.append(f"other programs used {self.other_cores:.2f} cores of this machine")
        if self.stolen_cores > STOLEN_LIMIT_CORES:
            taken.append(f"its host gave {self.stolen_cores:.2f} of its cores to other machines")
        return " and ".join(taken)

    @property
    def advice(self) -> str:
        slower = "take the figures as those of a smaller machine"
        if self.other_cores <= OTHER_LOAD_LIMIT_CORES:
            return f"measure again when the host is quieter, or {slower}"
        return f"end what else runs here, or {slower}"


class CpuThrottled(Verdict):
    """A CPU quota stopped the processes of this container: server, load or both."""

    rank = 115
    doubt = "a CPU quota stopped this container"
    error_means = "at least"
    text = (
        "the CPU quota of this container stopped its processes: {throttled_cores:.2f} cores stood "
        "still on average"
    )
    advice = "raise the quota, or read the figures as those of a smaller machine"
    severity = "error"

    throttled_cores: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        throttled = evidence.instruments.throttled_cores or 0.0
        return cls(throttled_cores=throttled) if throttled > STOLEN_LIMIT_CORES else None
