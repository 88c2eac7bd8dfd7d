from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence
from scenarios.units import Second


class TooShort(Verdict):
    """The window was too short to see what the limit was. CPU is known by the second: without a
    whole one in the window, whether the load was the limit is not known."""

    rank = 150
    text = (
        "the window lasted {window_s:.2f} s: too short to see whether the load itself was the limit"
    )
    advice = "count more --requests, or give a --duration instead"
    severity = "error"

    window_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        window_s = evidence.steadiness.window.length_s
        known = evidence.instruments.summary.generator_cpu_percent
        if known or not window_s or evidence.record.interrupted:
            return None
        return cls(window_s=window_s)
