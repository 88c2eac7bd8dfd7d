"""Intervals in which the threads of a queue all wait for something that calls keep which wait for
one of these threads."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.findings.evidence import AuditEvidence
from analysis.findings.handover_evidence import locate_handovers
from analysis.findings.stands import HandedCall, Span, Stand, list_calls, list_stands
from scenarios.units import Second

HANDED_OVER = frozenset({"the event loop", "a thread of the pool"})
"""As the probe names what a thread waits for that has handed work over itself."""
LEAST_S, LEAST_UNRESOLVED_S = 0.5, 1.0
"""What is shorter is no deadlock; what had not ended yet must have lasted for longer."""
AT_ONCE_S = 0.05
"""Calls that ended so soon after an interval ended with it."""
FEW = 10
"""One of so many threads may stand elsewhere, where the resource has several places."""


@dataclass(frozen=True, slots=True)
class Deadlock:
    """One interval in one process.

    stands: the threads that waited for the resource. waiting: calls that waited for a thread;
    keepers: those of them whose request has passed where the others stand, or that a standing
    thread waits for. failed: calls with which it ended; 0 where it never did.
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
        """Of the resource."""
        return self.stands[0].size

    @property
    def keeper_phases(self) -> tuple[str, ...]:
        return tuple(sorted({each.phase or "unknown" for each in self.keepers}))

    @property
    def is_complete(self) -> bool:
        """Whether the keepers can keep all of the resource."""
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
    """What threads of a queue wait for. place: of the code, where the resource has no size: two
    locks are two, and their name does not tell them apart."""

    queue: str
    waits_for: str
    place: tuple[str | None, int | None] | None


def find_deadlocks(evidence: AuditEvidence) -> Mapping[Resource, Sequence[Deadlock]]:
    if evidence.thread_stacks["waits_for"].drop_nulls().is_empty():
        return {}
    calls = list_calls(locate_handovers(evidence), evidence.handlers)
    by_process: dict[int, list[HandedCall]] = defaultdict(list)
    for call in calls:
        by_process[call.pid].append(call)
    groups: dict[tuple[int, Resource], list[Stand]] = defaultdict(list)
    for stand in list_stands(evidence, calls):
        place = None if stand.size is not None else (stand.place.file, stand.place.line)
        resource = Resource(stand.call.queue, stand.waits_for, place)
        groups[stand.call.pid, resource].append(stand)
    found: dict[Resource, list[Deadlock]] = defaultdict(list)
    for (pid, resource), stands in groups.items():
        found[resource] += judge_intervals(stands, by_process[pid])
    return {resource: each for resource, each in found.items() if each}


def judge_intervals(stands: Sequence[Stand], calls: Sequence[HandedCall]) -> Iterator[Deadlock]:
    """stands: of one process and resource. calls: of the process."""
    capacity = max(stand.call.capacity for stand in stands)
    if not math.isfinite(capacity):  # it is not known, or without a limit
        return
    few = int(capacity // FEW) if stands[0].size is not None else 0
    for began_s, ended_s in find_full_intervals(stands, capacity - few):
        inside = [each for each in stands if each.from_s < ended_s and began_s < each.until_s]
        found = judge_interval((began_s, ended_s), inside, calls, few)
        if found is not None:
            yield found


def find_full_intervals(stands: Iterable[Stand], needed: float) -> Iterator[tuple[Second, Second]]:
    """In which so many stood at once."""
    steps = sorted(step for each in stands for step in ((each.from_s, 1), (each.until_s, -1)))
    count, began_s = 0, math.inf
    for at_s, step in steps:
        count += step
        if count >= needed > 0 and step > 0:
            began_s = min(began_s, at_s)
        elif count < needed and began_s < at_s:
            yield began_s, at_s
            began_s = math.inf
        elif count < needed:
            began_s = math.inf


def judge_interval(
    span: Span, stands: Sequence[Stand], calls: Sequence[HandedCall], few: int
) -> Deadlock | None:
    """None where calls went on, where it ended by itself, or where no call that waits for a thread
    keeps what the threads wait for."""
    began_s, ended_s = span
    standing = {each.call.number for each in stands}
    mine = [each for each in calls if each.queue == stands[0].call.queue]
    waiting = [each for each in mine if each.waits_within(began_s, ended_s)]
    keepers = find_keepers(stands, waiting, calls)
    ended = [each for each in mine if each.ends_within(began_s, ended_s + AT_ONCE_S)]
    concerned = standing | {each.number for each in keepers}
    failed = sum(each.failed for each in ended if each.number in concerned)
    went_on = sum(not each.failed and each.until_s < ended_s for each in ended)
    is_over = any(each.has_ended and each.until_s <= ended_s for each in stands)
    is_short = ended_s - began_s < (LEAST_S if is_over else LEAST_UNRESOLVED_S)
    if not keepers or is_short or went_on > few or (is_over and not failed):
        return None
    capacity = round(max(each.call.capacity for each in stands))
    everything = tuple(stands), tuple(waiting), tuple(keepers)
    return Deadlock(began_s, ended_s, capacity, *everything, failed=failed if is_over else 0)


def find_keepers(
    stands: Sequence[Stand], waiting: Sequence[HandedCall], calls: Sequence[HandedCall]
) -> list[HandedCall]:
    """Calls that wait for a thread, and keep what threads wait for: a thread waits for the call
    itself; or the call's request has done before what the threads are at, and has been through."""
    if stands[0].waits_for in HANDED_OVER:
        asked = {each.call.visit for each in stands if each.call.visit is not None}
        return [each for each in waiting if each.nested or each.visit in asked]
    works = {each.call.work for each in stands if each.call.work is not None}
    passed = {
        each.visit: each.uses[1]
        for each in sorted(calls, key=lambda call: -call.until_s)
        if each.visit is not None and each.uses and each.has_ended and each.work in works
    }
    return [
        each
        for each in waiting
        if each.waits is not None
        and passed.get(each.visit or 0, math.inf) <= each.waits[0] + AT_ONCE_S
    ]
