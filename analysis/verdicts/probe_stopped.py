from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence
from scenarios.units import Second

SILENCE_LIMIT_S = 1.0
"""The probe samples every 10 ms and flushes every 250 ms."""


class ProbeStopped(Verdict):
    """The probe of a worker stopped before the end. It switches itself off at a fault; what it says
    of threads and loop then ends early."""

    rank = 60
    text = "the probe of a worker fell silent {silent_s:.0f} s before the end"
    advice = "threads, pool and loop are told for a part only; server.log says why"
    severity = "error"

    silent_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        silent_s = evidence.instruments.probe_silent_s
        if silent_s is None or silent_s <= SILENCE_LIMIT_S:
            return None
        return cls(silent_s=silent_s)
