"""Threads of a pool wait for a resource; the calls that hold it wait for one of these threads."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import ClassVar, Self

from analysis.findings.base import (
    AuditFinding,
    AuditFindings,
    Confidence,
    Severity,
    ShownFrame,
    TokenHolder,
)
from analysis.findings.cures.pool_cures import cure_deadlock
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import PlaceFinder, build_finder
from analysis.findings.remedies import Cure
from analysis.findings.spans import Span
from analysis.findings.waits.deadlocks import HANDED_OVER, Deadlock, Resource, find_deadlocks
from analysis.findings.waits.queue_names import name_resource
from analysis.stats import formats
from scenarios.units import Second

LIKELY_S, SURE_S = 2.0, 5.0
"""A deadlock that has not ended is likely, and certain, once it has lasted this long."""
PHASES: Mapping[str, str] = {"response": "response serialization", "background": "background task"}
"""What a waiting call is for, if the phase name does not show it."""


@dataclass(frozen=True, kw_only=True)
class PoolDeadlock(AuditFinding):
    """seconds: of all requests that were stuck or waited. count: these requests. call: what the
    threads wait for. holders: where they are stuck, in thread-seconds. unit: what the pool lends, a
    thread or a token.

    confidence: `high` if as many calls hold the resource as it has parts, or each thread waits for
    its own call, and it ended with failures or lasted for 5 s; `medium` if it lasted for 2 s, or if
    fewer calls hold it, and it ended with failures or lasted for 5 s; `low` otherwise. victims: see
    matrix.py.
    """

    short: ClassVar[str] = "pool deadlock"
    clause: ClassVar[str] = "threads and requests wait for each other"
    meaning: ClassVar[str] = (
        "the threads wait for a connection or a lock, and the requests that hold it wait for a "
        "thread"
    )
    remedy: ClassVar[str] = (
        "make the connection pool as large as the number of concurrent requests, or release a "
        "connection before the request needs another thread"
    )

    severity: Severity = "error"
    cause: str | None = "deadlock"
    pool_name: str
    unit: str
    size: int | None
    stood: int
    capacity: int
    keepers: int
    keeper_phases: tuple[str, ...]
    failed: int
    lasted_s: Second
    times: int

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        finder = build_finder(evidence)
        found = find_deadlocks(evidence)
        return AuditFindings(tuple(cls.build(key, each, finder) for key, each in found.items()))

    @classmethod
    def build(cls, resource: Resource, found: Sequence[Deadlock], finder: PlaceFinder) -> Self:
        holders = list_holders(found)
        worst, longest = holders[0], max(found, key=lambda each: each.lasted_s)
        lost_s = measure_lost(found)
        pool = longest.name_queue()
        return cls(
            confidence=rate_confidence(found),
            route=worst.route,
            phase=worst.phase,
            file=worst.file,
            line=worst.line,
            function=worst.function,
            call=resource.waits_for,
            stack=show_stack(found, worst, finder),
            count=len(lost_s),
            seconds=sum(lost_s),
            median_ms=1000 * median(lost_s),
            longest_ms=1000 * max(lost_s),
            holders=holders,
            pool_name=pool.name,
            unit=pool.unit,
            size=longest.size,
            stood=min(len(longest.stands), longest.capacity),
            capacity=longest.capacity,
            keepers=len(longest.keepers),
            keeper_phases=longest.keeper_phases,
            failed=longest.failed,
            lasted_s=longest.lasted_s,
            times=len(found),
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        return cure_deadlock(self, evidence, self.pool_name, self.call in HANDED_OVER)

    @property
    def pool(self) -> str:
        threads = "threads" if self.unit == "thread" else f"threads with a {self.unit}"
        return f"{threads} of {self.pool_name}"

    @property
    def facts(self) -> str:
        stood = f"{self.describe_stand()}."
        return " ".join((stood, self.describe_keepers(), self.describe_end()))

    @property
    def advice(self) -> Mapping[str, str]:
        return {f"deadlock, {self.call} in {self.pool}": self.describe_cure()}

    def describe_stand(self) -> str:
        at = f"at {self.file}:{self.line}" if self.file else "at one place in a library"
        are = "is" if self.stood == 1 else "are"
        threads = f"{self.stood} of {self.capacity} {self.pool}"
        return f"{threads} {are} stuck {at}, waiting for {name_resource(self.call or 'lock')}"

    def describe_keepers(self) -> str:
        """Only as many calls as the resource has parts can hold all of it."""
        phases = ", ".join(PHASES.get(each, each) for each in self.keeper_phases)
        calls = formats.count_things(self.keepers, "call")
        requests = formats.count_things(self.keepers, "request")
        wait = "waits" if self.keepers == 1 else "wait"
        if self.call in HANDED_OVER:
            return f"{calls} made inside these threads {wait} for a thread of the same pool."
        if self.size is None or self.keepers < self.size:
            said = f"{requests} that passed this place {wait} for a thread"
        else:
            hold = "holds" if self.keepers == 1 else "hold"
            name = (self.call or "resource").partition(" of ")[0]
            said = f"{requests} that {hold} all of the {name} {wait} for a thread"
        return f"{said} ({phases})." if phases else f"{said}."

    def describe_end(self) -> str:
        lasted = f"{formats.short_number(self.lasted_s)} s"
        often = "" if self.times == 1 else f"; the audit saw it {self.times} times"
        if not self.failed:
            return f"None of them made progress for {lasted}{often}."
        failed = formats.count_things(self.failed, "call")
        return f"The deadlock ended after {lasted}, when {failed} failed{often}."

    def describe_cure(self) -> str:
        if self.call in HANDED_OVER:
            return (
                "Call the inner function directly in the thread, or give the inner calls their own"
                " pool."
            )
        if self.size is None:
            return (
                "Let a request release what it holds before it needs a thread, or block no thread."
            )
        name = (self.call or "resource").partition(" of ")[0]
        return (
            f"Make the {name} as large as the number of concurrent requests (those that wait for a"
            " thread hold theirs, too), let a request release what it holds before it needs another"
            " thread, or wait with `await`."
        )


def rate_confidence(found: Sequence[Deadlock]) -> Confidence:
    """Rate the best evidence."""
    if any(each.is_complete and (each.failed or each.lasted_s >= SURE_S) for each in found):
        return "high"
    is_likely = any(
        each.failed or each.lasted_s >= (LIKELY_S if each.is_complete else SURE_S) for each in found
    )
    return "medium" if is_likely else "low"


def list_holders(found: Sequence[Deadlock]) -> tuple[TokenHolder, ...]:
    """List the places where threads were stuck, the most seconds first."""
    seconds: dict[TokenHolder, Second] = defaultdict(float)
    for deadlock in found:
        for stand in deadlock.stands:
            place, call = stand.place, stand.call
            where = (call.route, call.phase, place.file, place.line, place.function)
            lost_s = deadlock.measure_within(stand.from_s, stand.until_s)
            seconds[TokenHolder(*where, seconds=0.0)] += lost_s
    holders = (replace(holder, seconds=lost_s) for holder, lost_s in seconds.items())
    return tuple(sorted(holders, key=lambda each: -each.seconds))


def show_stack(
    found: Sequence[Deadlock], worst: TokenHolder, finder: PlaceFinder
) -> tuple[ShownFrame, ...]:
    stands = (stand for deadlock in found for stand in deadlock.stands)
    stack = next(
        each.stack
        for each in stands
        if (each.call.route, each.place.file, each.place.line)
        == (worst.route, worst.file, worst.line)
    )
    return finder.show_stack(stack)


def measure_lost(found: Sequence[Deadlock]) -> Sequence[Second]:
    """Measure how long each request was stuck or waited, and each call without a request."""
    lost: dict[tuple[int, int], Second] = defaultdict(float)
    for deadlock in found:
        spans: dict[tuple[int, int], list[Span]] = defaultdict(list)
        calls = [(each.call, (each.from_s, each.until_s)) for each in deadlock.stands]
        calls += [(each, each.waits) for each in deadlock.waiting if each.waits is not None]
        for call, span in calls:
            spans[call.pid, call.visit or -call.number].append(span)
        for key, mine in spans.items():
            begin_s, end_s = min(each[0] for each in mine), max(each[1] for each in mine)
            lost[key] += deadlock.measure_within(begin_s, end_s)
    return list(lost.values())
