"""Edits of requests' demands, for changes of their code."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from analysis.theory.audit.parts import (
    AwaitedTime,
    ConcurrentCalls,
    Key,
    LoopBlock,
    Part,
    ThreadCall,
    VisitDemand,
    list_calls,
)
from scenarios.units import Second

ELSEWHERE = "processes"
"""A queue for work that is moved to other processes."""


class Edit(Protocol):
    def apply(self, visit: VisitDemand) -> VisitDemand:
        """Return the changed visit."""


@dataclass(frozen=True, slots=True)
class NoEdit:
    def apply(self, visit: VisitDemand) -> VisitDemand:
        return visit


@dataclass(frozen=True, slots=True)
class CpuEdit:
    """Removes all computation under the GIL."""

    def apply(self, visit: VisitDemand) -> VisitDemand:
        return visit.scale_cpu(0.0)


@dataclass(frozen=True, slots=True)
class BlockEdit:
    """seconds: the removed part of each block. becomes: what replaces it, if anything."""

    seconds: Mapping[Key, Second]
    becomes: Callable[[LoopBlock], Part] | None

    def apply(self, visit: VisitDemand) -> VisitDemand:
        parts = tuple(part for each in visit.parts for part in self._edit(each))
        return replace(visit, parts=parts)

    def _edit(self, part: Part) -> Iterator[Part]:
        if isinstance(part, ThreadCall) and part.stretch in self.seconds:
            yield ThreadCall(ELSEWHERE, part.seconds, part.handover)
            return
        if not isinstance(part, LoopBlock) or part.stretch not in self.seconds:
            yield part
            return
        moved_s = min(part.seconds, self.seconds[part.stretch])
        if self.becomes is not None:
            yield self.becomes(replace(part, seconds=moved_s))
        left_s = part.seconds - moved_s
        if left_s > 0:
            yield replace(part, seconds=left_s, cpu_s=min(left_s, part.cpu_s))


def await_block(block: LoopBlock) -> Part:
    return AwaitedTime(block.seconds)


def hand_over(block: LoopBlock) -> Part:
    """Move a block to anyio's pool, where it waits or computes without the GIL."""
    return ThreadCall("anyio", block.seconds, block.stretch)


def compute_elsewhere(block: LoopBlock) -> Part:
    return ThreadCall(ELSEWHERE, block.seconds, block.stretch)


@dataclass(frozen=True, slots=True)
class CallEdit:
    """calls: those that no longer need a pool thread. computing: True if they compute on the loop
    instead of waiting without a thread."""

    calls: frozenset[Key]
    computing: bool = False

    def apply(self, visit: VisitDemand) -> VisitDemand:
        calls = (call for each in visit.parts for call in list_calls(each))
        cpu_s = sum(each.seconds for each in calls if self._is_one(each))
        parts = tuple(part for each in visit.parts for part in self._edit(each))
        return replace(visit, parts=parts, cpu_s=visit.cpu_s + (cpu_s if self.computing else 0.0))

    def _is_one(self, call: ThreadCall) -> bool:
        return call.handover in self.calls

    def _edit(self, part: Part) -> Iterator[Part]:
        calls = part.calls if isinstance(part, ConcurrentCalls) else ()
        if isinstance(part, ThreadCall) and self._is_one(part):
            if not self.computing:
                yield AwaitedTime(part.seconds)
        elif any(map(self._is_one, calls)):
            yield from self._edit_concurrent(calls)
        else:
            yield part

    def _edit_concurrent(self, calls: tuple[ThreadCall, ...]) -> Iterator[Part]:
        """Assume that calls without a thread take no longer than remaining calls with one."""
        left = tuple(each for each in calls if not self._is_one(each))
        if left:
            yield ConcurrentCalls(left)
        elif not self.computing:
            yield AwaitedTime(max(each.seconds for each in calls))


@dataclass(frozen=True, slots=True)
class AwaitedEdit:
    """seconds: how much less each visit awaits."""

    seconds: Mapping[Key, Second]

    def apply(self, visit: VisitDemand) -> VisitDemand:
        """Shorten the longest awaited time."""
        less_s = self.seconds.get(visit.visit, 0.0)
        waits = [each for each in visit.parts if isinstance(each, AwaitedTime)]
        if not less_s or not waits:
            return visit
        longest = max(waits, key=lambda each: each.seconds)
        place = visit.parts.index(longest)
        shorter = AwaitedTime(max(0.0, longest.seconds - less_s))
        return replace(visit, parts=(*visit.parts[:place], shorter, *visit.parts[place + 1 :]))


@dataclass(frozen=True, slots=True)
class MakingEdit:
    """seconds: time that each visit no longer needs to create objects, on the loop or a thread."""

    seconds: Mapping[Key, Second]

    def apply(self, visit: VisitDemand) -> VisitDemand:
        """Shorten the longest block or call, else the remaining CPU."""
        less_s = self.seconds.get(visit.visit, 0.0)
        works = [each for each in visit.parts if isinstance(each, LoopBlock | ThreadCall)]
        longest = max(works, key=lambda each: each.seconds, default=None)
        if longest is None or longest.seconds < less_s:
            return replace(visit, cpu_s=max(0.0, visit.cpu_s - less_s))
        cpu_s = max(0.0, longest.cpu_s - less_s)
        shorter = replace(longest, seconds=longest.seconds - less_s, cpu_s=cpu_s)
        place = visit.parts.index(longest)
        return replace(visit, parts=(*visit.parts[:place], shorter, *visit.parts[place + 1 :]))
