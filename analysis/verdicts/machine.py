"""Effects of the machine: other programs, CPU steal, a CPU quota."""

from analysis.verdicts.base import Evidence, Severity, Verdict

OTHER_LOAD_LIMIT_CORES = 0.15
STOLEN_LIMIT_CORES = 0.05
"""On an idle machine, other programs used up to 0.03 cores and CPU steal was zero."""
SPOILT_CORES = 0.5
"""Beyond this, the figures do not describe this machine."""


def is_machine_busy(evidence: Evidence) -> bool:
    """Return True if other work took so much CPU that the figures do not describe this machine."""
    own = evidence.instruments
    return (own.other_load_cores or 0.0) + (own.stolen_cores or 0.0) > SPOILT_CORES


class MachineBusy(Verdict):
    """Other programs, or CPU steal (time that the hypervisor gave to other machines)."""

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
            taken.append(f"the host took {self.stolen_cores:.2f} cores away (CPU steal)")
        return " and ".join(taken)

    @property
    def advice(self) -> str:
        slower = "treat the figures as those of a smaller machine"
        if self.other_cores <= OTHER_LOAD_LIMIT_CORES:
            return f"measure again when the host is quieter, or {slower}"
        return f"stop the other programs and measure again, or {slower}"


class CpuThrottled(Verdict):
    """The container's CPU quota throttled its processes: server, load or both."""

    rank = 115
    doubt = "a CPU quota throttled this container"
    error_means = "at least"
    text = "the CPU quota throttled this container by {throttled_cores:.2f} cores on average"
    advice = "raise the quota, or treat the figures as those of a smaller machine"
    severity = "error"

    throttled_cores: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        throttled = evidence.instruments.throttled_cores or 0.0
        return cls(throttled_cores=throttled) if throttled > STOLEN_LIMIT_CORES else None
