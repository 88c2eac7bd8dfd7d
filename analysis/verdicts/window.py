"""Windows that are too short, overloaded or not steady."""

from dataclasses import replace
from functools import partial
from typing import Literal

from analysis.verdicts.base import Evidence, Verdict
from analysis.verdicts.instruments import suggest_less_load
from scenarios.model import Scenario
from scenarios.units import Second
from scenarios.warm_up import WARM_UP_LIMIT_S, find_scenario_places

TURNS = 3.0
"""A queue no longer depends on its start once every user was served about three times."""
LONGEST_S: Second = 600.0
"""The longest window that advice suggests; beyond it, another load is better advice."""
SHORT_S: Second = 3.0
"""A longer window contains a whole second of the clock, with the two samples that it needs."""


class TooShort(Verdict):
    """The window was too short to identify the limit. CPU is sampled every second: without a whole
    second in the window, the load generator may have been the limit."""

    rank = 150
    doubt = "the window was too short"
    text = (
        "the window lasted {window_s:.2f} s: too short to rule out the load generator as the limit"
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
            return "use more --requests, or a --duration instead"
        return "use a longer --duration"


class Overloaded(Verdict):
    """An open loop offered more than was served. Latencies then depend only on the length of the
    test: request k waits k (1/C - 1/λ)."""

    rank = 160
    error_means = "as measured"
    advice = "offer a lower rate; `study capacity` finds the highest sustained rate"
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
            f"{self.offered_rps:.1f} requests per second were offered and "
            f"{self.sustained_rps:.1f} served"
        )
        if self.cause == "failures":
            return f"{rates}: {self.failed_rps:.1f} failed, and the time to fail is not a latency"
        return (
            f"{rates}; the backlog grew by {self.growth_per_s:.1f} per second: the latencies "
            "only show how long the test ran"
        )


class NotSteady(Verdict):
    """The window was not in a steady state. longer_s: how much longer to run, estimated from the
    time in which every user is served once; None where a longer window does not help. percent:
    drift of response time or throughput. less: the option for a smaller load."""

    rank = 180
    severity = "warning"

    cause: Literal["no warm-up", "warm-up", "late", "response", "throughput"]
    turn_s: Second | None = None
    warm_up_limit_s: Second | None = None
    unwarmed: int | None = None
    percent: float | None = None
    longer_s: Second | None = None
    blocks: bool = False
    """True if the endpoint blocks the event loop."""
    accepts_one: bool | None = None
    """True if `turn_s` is as long because the loop accepts one new connection per round."""
    less: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        record, found = evidence.record, evidence.steadiness
        if record.phases.window_start_s is None or record.cycles_planned is not None:
            return None
        if evidence.is_overloaded:
            return None  # Overloaded reports that it cannot be steady
        build = partial(
            cls,
            turn_s=record.turn_s or found.turn_s,
            blocks=record.scenario.endpoint.blocks_the_loop,
            less=suggest_less_load(record.scenario.load),
        )
        if not record.phases.steady and record.turn_s is not None:
            return build(cause="no warm-up", accepts_one=takes_turns(record.scenario) or None)
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
            why = ""
            if self.accepts_one:
                why = (
                    ", because a blocked uvloop accepts one new connection per round and serves "
                    "all users that it has accepted before it accepts the next"
                )
            return (
                f"the window opened without a warm-up: serving every user once takes at least "
                f"{self.turn_s:,.0f} s{why}; a warm-up lasts at most {WARM_UP_LIMIT_S:.0f} s"
            )
        if self.cause == "warm-up":
            return (
                f"{self.unwarmed} users were not served even once in {self.warm_up_limit_s:.0f} s "
                "of warm-up: the window opened before the queue was steady"
            )
        if self.cause == "late":
            return f"response times settled only after the first fifth of the window{longer}"
        figure = "response time" if self.cause == "response" else self.cause
        return f"the {figure} drifted by {self.percent:+.0f} % over the window{longer}"

    @property
    def advice(self) -> str:
        """The warm-up keeps its limit however long the window is."""
        if self.longer_s is not None:
            return "use a longer --duration: the queue and the latencies were still changing"
        if self.blocks:
            return (
                f"remove the blocking call, or try {self.less}: while the event loop is blocked, a "
                "longer --duration does not help"
            )
        return f"try {self.less}: a longer --duration does not help"


def takes_turns(scenario: Scenario) -> bool:
    """Return True if accepting one connection per round makes a turn longer."""
    places, load = find_scenario_places(scenario), scenario.load
    if places is None:
        return False
    return places.compute_turn_s(load) > replace(places, accepts_one=False).compute_turn_s(load)
