from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence

CPU_LIMIT_PERCENT = 90.0
"""Of one core: a load process is single-threaded. Locust itself warns at the same figure."""
LATENESS_LIMIT_MS = 20.0
LATENESS_LIMIT_SHARE = 0.05
"""Sends this late at p99 change the load; below 20 ms it is the scheduler of a busy machine."""


class GeneratorSaturated(Verdict):
    """The load generator was the limit, or may have been. By its CPU, or by how late its requests
    left, measured against how long they took."""

    rank = 90
    advice = "the rps may be the generator's; --load-processes 2, --engine oha or fewer users"
    severity = "error"

    cpu_percent: float
    processes: int
    lateness_p99_ms: float | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        typical_ms, own = evidence.instruments.typical_ms, evidence.instruments.summary
        busiest = max(own.generator_cpu_percent, default=0.0)
        late_ms = own.generator_lateness_p99_ms
        bearable_ms = max(LATENESS_LIMIT_MS, LATENESS_LIMIT_SHARE * (typical_ms or 0.0))
        if busiest <= CPU_LIMIT_PERCENT and (late_ms or 0.0) <= bearable_ms:
            return None
        processes = len(own.generator_cpu_percent)
        return cls(cpu_percent=busiest, processes=processes, lateness_p99_ms=late_ms)

    @property
    def message(self) -> str:
        late = (
            ""
            if self.lateness_p99_ms is None
            else f"; 1 % of the requests left {self.lateness_p99_ms:.0f} ms late or more"
        )
        return (
            f"of {self.processes} load process(es) the busiest used "
            f"{self.cpu_percent:.0f} % of its core{late}"
        )
