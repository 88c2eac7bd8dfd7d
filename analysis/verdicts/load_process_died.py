from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class LoadProcessDied(Verdict):
    """A load process died in the window. Its users are missing from the load, and its last quarter
    second from the records."""

    rank = 50
    text = "{processes} load process(es) died in the window, with their users"
    advice = "the load was not what was asked for; run it again"
    severity = "error"

    processes: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        died = evidence.instruments.load_processes_died
        return cls(processes=died) if died else None
