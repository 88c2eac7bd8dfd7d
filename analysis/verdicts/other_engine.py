from typing import Self

from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence

LACKS = {"oha": "its requests carry no id, so nothing follows them through the app"}


class OtherEngine(Verdict):
    """Another engine than Locust made the load, and records less."""

    code = "OTHER_ENGINE"
    rank = 130
    advice = "what it does not tell is left empty; --engine locust tells all"
    severity = "info"

    engine: str

    @classmethod
    def check(cls, evidence: Evidence) -> Self | None:
        engine = evidence.record.scenario.load.engine
        return cls(engine=engine) if engine in LACKS else None

    @property
    def message(self) -> str:
        return f"{self.engine} made the load: {LACKS[self.engine]}"
