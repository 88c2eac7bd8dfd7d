"""Intervals in which all threads of a queue wait for a resource, while the calls that hold it wait
for one of these threads."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.findings.evidence import AuditEvidence
from analysis.findings.spans import Span
from analysis.findings.waits.queue_names import QueueName, find_setter, name_queue
from analysis.findings.waits.stands import HandedCall, Stand, list_calls, list_stands
from scenarios.units import Second

HANDED_OVER = frozenset({"the event loop", "a thread of the pool"})
"""The probe's names for the wait of a thread that has offloaded a call itself."""
LEAST_S, LEAST_UNRESOLVED_S = 0.5, 1.0
"""A shorter interval is no deadlock; one that has not ended must have lasted for longer."""
AT_ONCE_S = 0.05
"""Calls that ended this soon after an interval ended with it."""
FEW = 10
"""One in this many threads may be elsewhere, if the resource is used in several places."""


@dataclass(frozen=True, slots=True)
class Deadlock:
    """One interval in one process.

    stands: the threads that waited for the resource. waiting: calls that waited for a thread;
    keepers: those of them whose request has passed the place of the stands, or that one of the
    stands waits for. failed: failed calls at its end; 0 if it never ended.
    """

    began_s: Second
    ended_s: Second
    capacity: int
    stands: tuple[Stand, ...]
    waiting: tuple[HandedCall, ...]
    keepers: tuple[HandedCall, ...]
    failed: int

    @property
    def size(self) -> int | None:
        """The size of the resource."""
        return self.stands[0].size

    def name_queue(self) -> QueueName:
        return name_queue(self.stands[0].call.queue, find_setter(self.keepers[0].asker))

    @property
    def keeper_phases(self) -> tuple[str, ...]:
        return tuple(sorted({each.phase or "unknown" for each in self.keepers}))

    @property
    def is_complete(self) -> bool:
        """Whether the keepers can hold all of the resource."""
        is_nested = self.stands[0].waits_for in HANDED_OVER
        size = len(self.stands) if is_nested else self.size
        return size is not None and len(self.keepers) >= size

    @property
    def lasted_s(self) -> Second:
        return self.ended_s - self.began_s

    def measure_within(self, from_s: Second, until_s: Second) -> Second:
        return max(0.0, min(until_s, self.ended_s) - max(from_s, self.began_s))


@dataclass(frozen=True, slots=True)
class Resource:
    """What threads of a queue wait for. place: of the code, if neither a size nor an offloaded call
    identifies the resource: two locks are two resources."""

    queue: str
    waits_for: str
    place: tuple[str | None, int | None] | None


def find_deadlocks(evidence: AuditEvidence) -> Mapping[Resource, Sequence[Deadlock]]:
    if evidence.thread_stacks["waits_for"].drop_nulls().is_empty():
        return {}
    calls = list_calls(evidence)
    by_process: dict[int, list[HandedCall]] = defaultdict(list)
    for call in calls:
        by_process[call.pid].append(call)
    groups: dict[tuple[int, Resource], list[Stand]] = defaultdict(list)
    for stand in list_stands(evidence, calls):
        is_named = stand.size is not None or stand.waits_for in HANDED_OVER
        place = None if is_named else (stand.place.file, stand.place.line)
        resource = Resource(stand.call.queue, stand.waits_for, place)
        groups[stand.call.pid, resource].append(stand)
    found: dict[Resource, list[Deadlock]] = defaultdict(list)
    for (pid, resource), stands in groups.items():
        found[resource] += judge_intervals(stands, by_process[pid])
    return {resource: each for resource, each in found.items() if each}


class QueueCalls:
    """The calls of a queue in one process, by time."""

    def __init__(self, calls: Sequence[HandedCall], queue: str) -> None:
        mine = [each for each in calls if each.queue == queue]
        self._ended = sorted((each for each in mine if each.has_ended), key=get_end)
        self._waiting = sorted((each for each in mine if each.waits), key=get_wait_end)

    def find_waiting(self, span: Span) -> list[HandedCall]:
        first = bisect_right(self._waiting, span[0], key=get_wait_end)
        return [each for each in self._waiting[first:] if each.waits and each.waits[0] < span[1]]

    def find_ended(self, span: Span) -> list[HandedCall]:
        first = bisect_right(self._ended, span[0], key=get_end)
        return self._ended[first : bisect_right(self._ended, span[1] + AT_ONCE_S, key=get_end)]


def get_end(call: HandedCall) -> Second:
    return call.until_s


def get_wait_end(call: HandedCall) -> Second:
    return call.waits[1] if call.waits else math.inf


def judge_intervals(stands: Sequence[Stand], calls: Sequence[HandedCall]) -> Iterator[Deadlock]:
    """stands: of one process and resource. calls: of the process."""
    capacity = max(stand.call.capacity for stand in stands)
    if not math.isfinite(capacity):  # unknown or unlimited
        return
    few = int(capacity // FEW) if stands[0].size is not None else 0
    spans = [
        span for span in find_full_intervals(stands, capacity - few) if span[1] - span[0] >= LEAST_S
    ]
    if not spans:
        return
    mine = QueueCalls(calls, stands[0].call.queue)
    passed = find_passed(stands, calls)
    for span in spans:
        inside = [each for each in stands if each.from_s < span[1] and span[0] < each.until_s]
        waiting = mine.find_waiting(span)
        keepers = find_keepers(inside, waiting, passed)
        failed = count_failures(span, inside, keepers, mine.find_ended(span), few)
        if keepers and failed is not None and not works_on(span, inside, calls, passed):
            yield Deadlock(
                *span,
                capacity=round(capacity),
                stands=tuple(inside),
                waiting=tuple(waiting),
                keepers=tuple(keepers),
                failed=failed,
            )


def find_full_intervals(stands: Iterable[Stand], needed: float) -> Iterator[Span]:
    """Yield the intervals with at least this many stands."""
    steps = sorted(step for each in stands for step in ((each.from_s, 1), (each.until_s, -1)))
    count, began_s = 0, math.inf
    for at_s, step in steps:
        count += step
        if count >= needed > 0:
            began_s = min(began_s, at_s)
        elif began_s < math.inf:
            yield began_s, at_s
            began_s = math.inf


def count_failures(
    span: Span,
    stands: Sequence[Stand],
    keepers: Sequence[HandedCall],
    ended: Sequence[HandedCall],
    few: int,
) -> int | None:
    """Count the calls whose failure ended the interval, and other stuck calls that failed then or
    soon after; 0 if it had not ended. Return None if it is no deadlock: more than a few calls
    proceeded, or it ended by itself."""
    concerned = {each.number: each for each in (*(each.call for each in stands), *keepers)}
    failed = any(each.failed for each in ended if each.number in concerned)
    went_on = sum(not each.failed and each.until_s < span[1] for each in ended)
    is_over = any(each.has_ended and each.until_s <= span[1] for each in stands)
    if went_on > few or (is_over and not failed):
        return None
    if not is_over:
        return 0 if span[1] - span[0] >= LEAST_UNRESOLVED_S else None
    return sum(each.has_ended and each.failed for each in concerned.values())


def works_on(
    span: Span,
    stands: Sequence[Stand],
    calls: Sequence[HandedCall],
    passed: Mapping[int, Second],
) -> bool:
    """Return True if a thread elsewhere at the end may hold what the others wait for: it runs the
    same work, or works for a request that has passed. It will release it."""
    works = {each.call.work for each in stands}
    places = {each.call.last_seen for each in stands}
    return any(
        each.work in works or passed.get(each.visit or 0, math.inf) <= each.uses[0] + AT_ONCE_S
        for each in calls
        if each.uses and each.uses[0] + AT_ONCE_S < span[1] <= each.uses[1]
        if each.last_seen is not None and each.last_seen not in places
    )


def find_passed(stands: Sequence[Stand], calls: Sequence[HandedCall]) -> Mapping[int, Second]:
    """Map each request to the time when it first completed the work of these threads."""
    works = {each.call.work for each in stands if each.call.work is not None}
    passed: dict[int, Second] = {}
    for each in calls:
        if each.visit is not None and each.uses and each.has_ended and each.work in works:
            passed[each.visit] = min(each.uses[1], passed.get(each.visit, math.inf))
    return passed


def find_keepers(
    stands: Sequence[Stand], waiting: Sequence[HandedCall], passed: Mapping[int, Second]
) -> list[HandedCall]:
    """Find calls that wait for a thread and hold what the threads wait for: a thread waits for the
    call itself, or the call's request has passed the place where the threads are."""
    if stands[0].waits_for in HANDED_OVER:
        asked = {each.call.visit for each in stands if each.call.visit is not None}
        return [each for each in waiting if each.is_nested or each.visit in asked]
    return [
        each
        for each in waiting
        if each.waits and passed.get(each.visit or 0, math.inf) <= each.waits[0] + AT_ONCE_S
    ]
