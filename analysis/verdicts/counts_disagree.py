from collections.abc import Mapping

from analysis.verdicts.base import Data, Verdict
from analysis.verdicts.evidence import Evidence


class CountsDisagree(Verdict):
    """Generator, app and upstream saw different requests. contradictions: counts that must be zero,
    by their names in the request accounting."""

    rank = 20
    advice = "do not use this cell; see the fates in summary.json and the logs in raw/"
    severity = "error"

    sent: int
    contradictions: Mapping[str, int]
    app_received: int | None
    upstream_received: int | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        """Dead workers and interrupted cells lose requests for reasons of their own."""
        record, counts = evidence.record, evidence.counts
        contradictions = dict(counts.contradictions)
        if evidence.is_overloaded:
            # a full listen queue drops connections that the generator takes for made
            contradictions.pop("vanished", None)
        if not contradictions or record.interrupted:
            return None
        if record.deaths or record.journals_lost or evidence.instruments.load_processes_died:
            return None
        return cls(
            sent=counts.sent,
            contradictions=contradictions,
            app_received=counts.app_received,
            upstream_received=counts.upstream_received,
        )

    @property
    def data(self) -> Data:
        counts = {**vars(self), **self.contradictions}
        order = ("sent", *self.contradictions, "app_received", "upstream_received")
        return {name: counts[name] for name in order if counts[name] is not None}

    @property
    def message(self) -> str:
        numbers = ", ".join(f"{key} {value}" for key, value in self.data.items())
        return f"generator, app and upstream do not tell the same story: {numbers}"
