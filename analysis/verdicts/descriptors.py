from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence

NEAR_SHARE = 0.95


class Descriptors(Verdict):
    """File descriptors ran out, or nearly."""

    rank = 30
    text = "file descriptors: {faults} failure(s), {peak} of {limit} in use at the peak"
    advice = "raise the limit (ulimit -n) or use fewer users"

    limit: int
    peak: int
    faults: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        limit, peak = evidence.record.descriptors_limit, evidence.instruments.descriptors_peak or 0
        faults = evidence.instruments.descriptor_errors + len(evidence.record.log_faults)
        if not faults and peak < NEAR_SHARE * limit:
            return None
        return cls(limit=limit, peak=peak, faults=faults)

    @property
    def severity(self) -> Severity:
        return "error" if self.faults else "warning"
