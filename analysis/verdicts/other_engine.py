from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


class OtherEngine(Verdict):
    """Another engine than Locust made the load, and records less."""

    rank = 130
    text = (
        "{engine} made the load: its requests carry no id, so nothing follows them through the app"
    )
    advice = "what it does not tell is left empty; --engine locust tells all"
    severity = "info"

    engine: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        load = evidence.record.scenario.load
        return None if load.tells_ids else cls(engine=load.engine)
