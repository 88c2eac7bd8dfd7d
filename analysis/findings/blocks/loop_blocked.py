"""Code that blocks the event loop: where, why, for how long, and which requests wait."""

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
    list_times,
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
"""A smaller value would be shown as zero."""
CAUSES: Mapping[str, str] = {
    "wait": "The event loop is blocked while {call} waits{for_what}",
    "compute": "The event loop is blocked while {call} computes",
    "gil": "The event loop cannot run while {call} holds the GIL in another thread",
    "gc": "The event loop is blocked while the garbage collector runs in {call}",
    "unexplained": "The event loop is blocked in {call}; this system does not report why",
}
CURES: Mapping[str, str] = {
    "wait": "Await an asynchronous call instead, or move the call to a thread: write `def` instead "
    "of `async def`, or use asyncio.to_thread.",
    "compute": "Move it to a thread if it releases the GIL, otherwise to a process.",
    "gil": "Move it to a process.",
    "gc": "Create fewer objects, or call gc.freeze() after startup.",
}
"""By cause."""

OF_OWN_PROCESS = (
    "While the event loop is blocked, no request on it can release what this call waits for: only "
    "a thread can. Write the endpoint as `def`, or use an asynchronous client."
)


@dataclass(frozen=True, kw_only=True)
class LoopBlocked(AuditFinding):
    """severity: `error` if it takes a tenth of the time, or a second of one request; `info` below a
    hundredth and 0.1 s, and at startup, when no request waits yet; `warning` in between.

    confidence: `high` from ten samples on, with a line of the user's and a known cause; `low` with
    neither line nor cause; `medium` otherwise.

    waits_for: a resource of the process, such as "QueuePool of 5"; None if unknown.
    """

    short: ClassVar[str] = "loop blocked"
    clause: ClassVar[str] = "the event loop is blocked"
    meaning: ClassVar[str] = (
        "code blocks the event loop's thread, and every other request waits meanwhile"
    )
    remedy: ClassVar[str] = (
        "await an asynchronous call, or write the route as `def`; move a computation to a thread "
        "if it releases the GIL, otherwise to a process"
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
            notices=write_block_notices(found, evidence),
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
        spent_ms = [1000 * each for each in list_times(shares)]
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
            count=len(sum_by_request(shares)),
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
        subject = self.call or (self.function and f"{self.function}()") or "library code"
        for_what = f" for {name_resource(self.waits_for)}" if self.waits_for else ""
        said = CAUSES[self.cause or "unexplained"].format(call=subject, for_what=for_what)
        is_nobodys = self.route is None and self.phase == "callback"
        of_serving = "up to {} ms at a time" if is_nobodys else "up to {} ms per request"
        when = "{} ms at startup" if self.phase == "startup" else of_serving
        said = f"{said}: {when.format(formats.milliseconds(self.longest_ms))}."
        lost = sum(each.requests for each in self.victims or ())
        if self.taken_s < NOTED_S:
            return said
        requests = formats.count_things(lost, "request")
        return f"{said} {requests} to other routes lost {self.taken_s:,.1f} s in total."

    @property
    def advice(self) -> Mapping[str, str]:
        if self.phase == "startup":
            return {}
        if self.cause == "wait" and self.waits_for:
            return {"loop blocked: own process": OF_OWN_PROCESS}
        cure = CURES.get(self.cause or "")
        if cure and self.uncured and self.file is not None:  # the reason not to offload it
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
