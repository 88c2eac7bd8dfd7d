"""The common base of findings about queues for threads."""

from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Confidence, Severity, TokenHolder
from analysis.findings.code_texts import parse_stack
from analysis.findings.cures.pool_cures import AskedQueue, cure_queue
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.severity import GRAVE_MS, SMALL_MS, rate_harm
from analysis.findings.waits.queue_names import QueueName, find_setter, name_queue
from analysis.findings.waits.wait_sites import WaitSite, find_wait_sites
from analysis.stats import formats
from scenarios.units import Second

GRAVE_SHARE, SMALL_SHARE = 0.5, 0.1
LEAST_SHARE = 0.01
"""Of the time of a route's requests. A place below this share, and below 0.1 s in every request, is
harmless: a full pool alone is no fault."""
SURE_SHARE, DOUBTED_SHARE = 0.8, 0.5
"""The share of the queue's tokens that are known to be in use while requests wait."""
LOWER: Mapping[Severity, Severity] = {"error": "warning", "warning": "info", "info": "info"}
IDLE = "Most of its threads are not known to be in use: a larger pool may not help."
NOTED_PART = 0.1
"""Of the wait for a token: a shorter delay until the work begins is not worth a sentence."""
PURPOSES: Mapping[str, str] = {
    "dependency": "to run the dependency {call}",
    "response": "to validate the response",
    "background": "to run the background task {call}",
    "file": "to read or write a file",
    "stream": "to produce chunks of a stream",
    "teardown": "to run a dependency's exit code",
    "middleware": "to run {call} for a middleware",
    "websocket": "to run {call} for a websocket",
}


@dataclass(frozen=True, kw_only=True)
class QueueWait(AuditFinding, ABC):
    """seconds: waited for a token, summed over requests. share: of the time that the route's
    requests spend in the app; None after the response. count: requests that waited for 5 ms or
    more.

    severity: `error` if a request waits for a second, or half of the route's time goes into it;
    `info` below 0.1 s and a tenth; `warning` in between. One level lower for waits after the
    response; an app's own limit is a `warning` at most.

    confidence: by the share of tokens known to be in use meanwhile.

    queue: as the probe names it. setter: the library module that a limiter belongs to. capacity: of
    tokens. in_use: of them, while requests wait. loop_ms: the median of what the event loop took in
    addition. is_after: after the response.
    """

    QUEUES: ClassVar[str]
    """A regular expression that matches the queues' names."""

    queue: str
    setter: str | None
    capacity: float | None
    in_use: float
    loop_ms: float
    is_after: bool

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        return AuditFindings(findings=tuple(cls.build_all(evidence)))

    @classmethod
    def build_all(cls, evidence: AuditEvidence) -> Iterator[Self]:
        spent_s = sum_time_in_app(evidence)
        for site in find_wait_sites(evidence, cls.QUEUES):
            share = measure_share(site, spent_s)
            if is_noticed(site, share):
                yield cls.build(site, share)

    @classmethod
    def build(cls, site: WaitSite, share: float | None) -> Self:
        setter = find_setter(parse_stack(site.asker))
        named = name_queue(site.queue, setter)
        longest_ms = 1000 * float(site.waits_s.max())
        return cls(
            severity=rate_severity(longest_ms, share, site, named),
            confidence=rate_confidence(site),
            route=site.route,
            phase=site.phase,
            file=site.file,
            line=site.line,
            function=site.function,
            call=site.call,
            cause=named.kind,
            count=len(site.waits_s),
            seconds=float(site.waits_s.sum()),
            median_ms=1000 * float(np.median(site.waits_s)),
            longest_ms=longest_ms,
            share=share,
            holders=site.holders,
            queue=site.queue,
            setter=setter,
            capacity=site.capacity,
            in_use=site.in_use,
            loop_ms=1000 * site.loop_s,
            is_after=site.is_after,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        if self.capacity and self.in_use < DOUBTED_SHARE * self.capacity:
            return IDLE
        return cure_queue(self, evidence, AskedQueue(self.queue, self.queue_name, self.capacity))

    @property
    def queue_name(self) -> QueueName:
        return name_queue(self.queue, self.setter)

    @property
    def facts(self) -> str:
        named = self.queue_name
        who, verb = (
            ("1 request", "waits") if self.count == 1 else (f"{self.count:,} requests", "wait")
        )
        purpose = self.describe_purpose()
        said = f"{purpose[0].upper()}{purpose[1:]}, {who} {verb} for a {named.unit} of {named.name}"
        usual, longest = formats.milliseconds(self.median_ms), formats.milliseconds(self.longest_ms)
        waits = f"{usual} ms" if self.count == 1 else f"{usual} ms (median), {longest} ms at most"
        when = ", mostly after the response, when no client waits" if self.is_after else ""
        said = f"{said}: {waits}{when}."
        if self.loop_ms < NOTED_PART * (self.median_ms or 0.0):
            return said
        loop = formats.milliseconds(self.loop_ms)
        return f"{said} Another {loop} ms pass before the work begins (median)."

    @property
    def context(self) -> Mapping[str, str]:
        worst = describe_holder(self.holders[0]) if self.holders else ""
        return {f"{self.queue_name.name}, {worst}": f"Meanwhile, {self.describe_use()}."}

    @property
    def advice(self) -> Mapping[str, str]:
        return {**self.context, self.queue_name.name: self.queue_name.cure}

    def describe_purpose(self) -> str:
        call = f"{self.call}()" if self.call else "code"
        return PURPOSES.get(self.phase or "", "to run {call}").format(call=call)

    def describe_use(self) -> str:
        """Describe the use of the queue while these requests wait."""
        total = "" if self.capacity is None else f" of {self.capacity:,.0f}"
        is_one = (self.capacity or self.in_use) == 1
        units = f"{self.queue_name.unit}{'' if is_one else 's'} {'is' if is_one else 'are'}"
        is_known = self.capacity and self.in_use >= SURE_SHARE * self.capacity
        said = f"{self.in_use:,.0f}{total} {units} {'' if is_known else 'known to be '}in use"
        if not self.holders:
            return said
        kept_s = sum(each.seconds for each in self.holders)
        worst, its = self.holders[0], "its" if is_one else "their"
        share = f"{100 * worst.seconds / kept_s:.0f} %"
        return f"{said}; {describe_holder(worst)} takes {share} of {its} time"


def describe_holder(holder: TokenHolder) -> str:
    name = f"{holder.function}()" if holder.function else "library code"
    place = f" ({holder.file}:{holder.line})" if holder.file else ""
    return f"{name}{place}" + (f" for {holder.route}" if holder.route else "")


def sum_time_in_app(evidence: AuditEvidence) -> Mapping[str, Second]:
    """Sum each route's time in the app, until the response or the recording's end."""
    until_s = pl.coalesce("sent_s", "returned_s", pl.lit(evidence.record.ended_s))
    spent_s = (until_s - pl.col("arrived_s")).clip(lower_bound=0.0)
    rows = evidence.handlers.drop_nulls(["route", "arrived_s"])
    return dict(rows.group_by("route").agg(spent_s.sum()).iter_rows())


def measure_share(site: WaitSite, spent_s: Mapping[str, Second]) -> float | None:
    """Measure the share of the time of the route's requests. A request's waits are part of its
    time, but several of its tasks may wait at once."""
    total_s = spent_s.get(site.route or "", 0.0)
    if site.is_after or total_s <= 0:
        return None
    return min(1.0, float(site.waits_s.sum()) / total_s)


def is_noticed(site: WaitSite, share: float | None) -> bool:
    """Return True if the wait is worth a finding. If most tokens were free, the event loop or the
    machine was late to pass them on: only a longer wait can be for the queue."""
    longest_ms = 1000 * float(site.waits_s.max())
    if site.known_share < DOUBTED_SHARE:
        return longest_ms >= GRAVE_MS
    return longest_ms >= SMALL_MS or (share or 0.0) >= LEAST_SHARE


def rate_severity(
    longest_ms: float, share: float | None, site: WaitSite, named: QueueName
) -> Severity:
    severity = rate_harm(longest_ms, share, GRAVE_SHARE, SMALL_SHARE)
    if site.is_after or (named.is_meant and severity == "error"):
        return LOWER[severity]
    return severity


def rate_confidence(site: WaitSite) -> Confidence:
    if site.known_share < DOUBTED_SHARE:
        return "low"
    return "high" if site.known_share >= SURE_SHARE and site.file is not None else "medium"
