"""Code that blocks the event loop: where, why, for how long, and who waits for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import ClassVar, Self

from analysis.findings.base import (
    AuditFinding,
    AuditFindings,
    Confidence,
    Severity,
    Victim,
)
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.calls import name_call
from analysis.findings.blocks.causes import Cause
from analysis.findings.blocks.loop_waits import find_wait
from analysis.findings.blocks.shares import (
    StretchShare,
    choose_cause,
    choose_heaviest,
    count_samples,
    show_stack,
    sum_by_request,
    sum_seconds,
)
from analysis.findings.blocks.victims import find_victims
from analysis.findings.cures.block_cures import cure_blocked_place
from analysis.findings.evidence import AuditEvidence
from analysis.findings.notices import write_block_notices
from analysis.findings.places import BlockPlace, PlaceFinder, build_finder
from analysis.findings.remedies import Cure
from analysis.findings.severity import rate_harm
from analysis.findings.time_asked import measure_share
from analysis.findings.waits.queue_names import name_resource
from analysis.stats import formats
from scenarios.units import Second

GRAVE_SHARE, SMALL_SHARE = 0.1, 0.01
MANY_SAMPLES = 10
NOTED_S: Second = 0.05
"""Less would read as nothing."""
CAUSES: Mapping[str, str] = {
    "wait": "The event loop waits in {call}{for_what}, which is not awaited",
    "compute": "{call} computes on the event loop",
    "gil": "{call} keeps the GIL in another thread, so that the event loop cannot run",
    "gc": "The garbage collector runs on the event loop in {call}",
    "unexplained": "{call} blocks the event loop; this system does not say why",
}
CURES: Mapping[str, str] = {
    "wait": "Await an asynchronous call, or let it wait in a thread: `def` in place of `async "
    "def`, or asyncio.to_thread.",
    "compute": "Hand it to a thread if it releases the GIL, to a process if not.",
    "gil": "Hand it to a process.",
    "gc": "Make fewer objects, or call gc.freeze() after start-up.",
}
"""By cause; nothing is to be done about a startup before any request waits."""

OF_OWN_PROCESS = (
    "Requests that run on the event loop, or need it to end, cannot give back what it waits for: "
    "only a thread can. Write the endpoint as `def`, or use an asynchronous client."
)


@dataclass(frozen=True, kw_only=True)
class LoopBlocked(AuditFinding):
    """severity: `error` where it takes a tenth of the time, or a second of one request; `info`
    below a hundredth and 0.1 s, and at startup, when no request waits yet; `warning` between.

    confidence: `high` from ten samples on, with a line of the user's and a known cause; `low` with
    neither line nor cause; `medium` otherwise.

    waits_for: what of the process, such as "QueuePool of 5"; None where it is not known.
    """

    short: ClassVar[str] = "loop blocked"
    clause: ClassVar[str] = "the event loop is blocked"
    meaning: ClassVar[str] = (
        "code keeps the event loop's thread, so that every other request waits meanwhile"
    )
    remedy: ClassVar[str] = (
        "await an asynchronous call, or write the route as `def`; hand what computes to a thread "
        "if it releases the GIL, to a process if not"
    )

    waits_for: str | None = None

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        finder = build_finder(evidence)
        found = attribute_blocks(evidence)
        victims = find_victims(found.sites, evidence)
        build = partial(cls.build, evidence=evidence, finder=finder)
        findings = (build(place, each, victims[place]) for place, each in found.sites.items())
        return AuditFindings(
            findings=tuple(findings),
            notices=write_block_notices(found),
            blocked_s=found.blocked_s,
            excused_s=sum(found.excused_s.values()),
            unexplained_s=found.unexplained_s,
        )

    @classmethod
    def build(
        cls,
        place: BlockPlace,
        shares: Sequence[StretchShare],
        victims: tuple[Victim, ...] | None,
        evidence: AuditEvidence,
        finder: PlaceFinder,
    ) -> Self:
        cause = choose_cause(shares)
        spent_ms = [1000 * each for each in sum_by_request(shares).values()]
        is_serving = place.phase != "startup"
        taken = [(each.stretch.began_s, each.seconds) for each in shares]
        share = measure_share(taken, place.route, evidence) if is_serving else None
        return cls(
            severity=rate_severity(place, max(spent_ms), share),
            confidence=rate_confidence(place, shares, cause),
            **place.fields,
            call=choose_heaviest((name_call(each.located, cause), each.seconds) for each in shares),
            stack=show_stack(shares, finder),
            cause=cause,
            count=len(spent_ms),
            seconds=sum_seconds(shares),
            median_ms=median(spent_ms),
            longest_ms=max(spent_ms),
            share=share,
            victims=victims,
            waits_for=find_wait(shares, evidence) if cause == "wait" else None,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        return cure_blocked_place(self, evidence)

    @property
    def facts(self) -> str:
        subject = self.call or (self.function and f"{self.function}()") or "code of a library"
        for_what = f" for {name_resource(self.waits_for)}" if self.waits_for else ""
        said = CAUSES[self.cause or "unexplained"].format(call=subject, for_what=for_what)
        when = "at startup" if self.phase == "startup" else "at most in one request"
        said = f"{said}: {formats.milliseconds(self.longest_ms)} ms {when}."
        lost = sum(each.requests for each in self.victims or ())
        if self.taken_s < NOTED_S:
            return said
        requests = formats.count_things(lost, "request")
        return f"{said} {requests} of other routes lost {self.taken_s:,.1f} s."

    @property
    def advice(self) -> Mapping[str, str]:
        if self.phase == "startup":
            return {}
        if self.cause == "wait" and self.waits_for:
            return {"loop blocked: own process": OF_OWN_PROCESS}
        cure = CURES.get(self.cause or "")
        if cure and self.uncured and self.file is not None:  # its cost speaks against it
            return {f"loop blocked: {self.file}:{self.line}": self.uncured}
        return {f"loop blocked: {self.cause}": cure} if cure else {}


def rate_severity(place: BlockPlace, longest_ms: float, share: float | None) -> Severity:
    if place.phase == "startup":
        return "info"
    return rate_harm(longest_ms, share, GRAVE_SHARE, SMALL_SHARE)


def rate_confidence(place: BlockPlace, shares: Sequence[StretchShare], cause: Cause) -> Confidence:
    has_line = any(each.located.own is not None for each in shares) and place.file is not None
    if not has_line and cause == "unexplained":
        return "low"
    is_sure = has_line and cause != "unexplained" and count_samples(shares) >= MANY_SAMPLES
    return "high" if is_sure else "medium"
