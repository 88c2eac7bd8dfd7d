"""What a window does not show: too short, overloaded, or not steady."""

from functools import partial
from typing import Literal

from analysis.verdicts.base import Evidence, Verdict
from analysis.verdicts.instruments import suggest_less_load
from scenarios.units import Second
from scenarios.warm_up import WARM_UP_LIMIT_S

TURNS = 3.0
"""A queue has forgotten how it began after everybody was served about three times."""
LONGEST_S: Second = 600.0
"""A longer window is nobody's next step: then another load is."""
SHORT_S: Second = 3.0
"""A longer window has a whole second of the clock in it, and the two looks that it needs."""


class TooShort(Verdict):
    """The window was too short to see what the limit was. CPU is known by the second: without a
    whole one in the window, whether the load was the limit is not known."""

    rank = 150
    doubt = "the window was too short"
    text = (
        "the window lasted {window_s:.2f} s: too short to see whether the load itself was the limit"
    )
    severity = "error"

    window_s: Second
    counts_requests: bool

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        window_s = evidence.steadiness.window.length_s
        known = evidence.instruments.generator_cpu_percent
        if known or not 0 < window_s < SHORT_S or evidence.record.interrupted:
            return None
        counts = evidence.record.scenario.load.requests is not None
        return cls(window_s=window_s, counts_requests=counts)

    @property
    def advice(self) -> str:
        if self.counts_requests:
            return "count more --requests, or give a --duration instead"
        return "give a longer --duration"


class Overloaded(Verdict):
    """An open loop offered more than was served. Then every latency only says how long the test
    was: request k waits k (1/C - 1/λ)."""

    rank = 160
    error_means = "as measured"
    advice = "offer less than is served; `study capacity` finds how much that is"
    severity = "error"

    offered_rps: float
    sustained_rps: float
    growth_per_s: float
    failed_rps: float
    cause: Literal["growth", "failures"]

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        backlog = evidence.backlog
        if backlog is None or backlog.overload is None:
            return None
        return cls(
            offered_rps=backlog.offered_rps,
            sustained_rps=backlog.sustained_rps,
            growth_per_s=backlog.growth_per_s,
            failed_rps=backlog.failed_rps,
            cause=backlog.overload,
        )

    @property
    def message(self) -> str:
        rates = (
            f"{self.offered_rps:.1f} requests a second were offered and "
            f"{self.sustained_rps:.1f} served"
        )
        if self.cause == "failures":
            return (
                f"{rates}: {self.failed_rps:.1f} failed, and how quickly "
                "a request fails is no latency"
            )
        return (
            f"{rates}; what waits grew by {self.growth_per_s:.1f} a "
            "second: the latencies only say how long the test was"
        )


class NotSteady(Verdict):
    """The window was not in a steady state. longer_s: how much longer to run, estimated from how
    long a turn of all users takes; None where no longer window would be steady. percent: by how
    much response or throughput drifted. less: what load would be."""

    rank = 180
    severity = "warning"

    cause: Literal["no warm-up", "warm-up", "late", "response", "throughput"]
    turn_s: Second | None = None
    warm_up_limit_s: Second | None = None
    unwarmed: int | None = None
    percent: float | None = None
    longer_s: Second | None = None
    blocks: bool = False
    """Whether the endpoint blocks the event loop."""
    less: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        record, found = evidence.record, evidence.steadiness
        if record.phases.window_start_s is None or record.cycles_planned is not None:
            return None
        if evidence.is_overloaded:
            return None  # it never will be steady, and that verdict says so
        build = partial(
            cls,
            turn_s=record.turn_s or found.turn_s,
            blocks=record.scenario.endpoint.blocks_the_loop,
            less=suggest_less_load(record.scenario.load),
        )
        if not record.phases.steady and record.turn_s is not None:
            return build(cause="no warm-up")
        if not record.phases.steady and found.unwarmed > 0:
            limit_s = record.warm_up_limit_s
            return build(cause="warm-up", warm_up_limit_s=limit_s, unwarmed=found.unwarmed)
        longer_s = max(found.window.length_s, TURNS * (found.turn_s or 0.0))
        build = partial(build, longer_s=longer_s if longer_s <= LONGEST_S else None)
        if found.window.settles_late:
            return build(cause="late")
        for cause, drift in found.drifts.items():
            if drift.matters:
                return build(cause=cause, percent=100 * drift.share)
        return None

    @property
    def message(self) -> str:
        longer = (
            "" if self.longer_s is None else f": run about {max(1.0, self.longer_s):,.0f} s longer"
        )
        if self.cause == "no warm-up":
            return (
                f"the window opened with no warm-up: until each user is served once, "
                f"{self.turn_s:,.0f} s pass at least, and a warm-up lasts {WARM_UP_LIMIT_S:.0f} s "
                "at most"
            )
        if self.cause == "warm-up":
            return (
                f"{self.unwarmed} users were not served once within {self.warm_up_limit_s:.0f} s "
                "of warm-up: the window opened before the queue was steady"
            )
        if self.cause == "late":
            return f"the responses came to their level only after a fifth of the window{longer}"
        return f"the {self.cause} drifted by {self.percent:+.0f} % over the window{longer}"

    @property
    def advice(self) -> str:
        """The warm-up has its limit however long the window is."""
        if self.longer_s is not None:
            return "use a longer --duration, or mistrust the latencies: the queue still changed"
        if self.blocks:
            return (
                f"no --duration helps while the endpoint blocks the event loop: remove the "
                f"blocking call, or try {self.less}"
            )
        return f"a longer --duration is no help: try {self.less}"
