from analysis.verdicts.base import Severity, Verdict
from analysis.verdicts.evidence import Evidence


class Profiled(Verdict):
    """py-spy profiled the server, which slows it. fault: why there is no flame graph."""

    rank = 140
    advice = "the server was stopped for each look: measure again without --profile"

    fault: str | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        profile = evidence.record.profile
        return None if profile is None else cls(fault=profile.fault)

    @property
    def severity(self) -> Severity:
        return "info" if self.fault is None else "warning"

    @property
    def message(self) -> str:
        if self.fault:
            return f"no flame graph: {self.fault}"
        return "py-spy looked on: its flame graph is profile.svg, in the cell's folder"
