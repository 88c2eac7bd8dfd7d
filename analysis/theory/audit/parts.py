"""The parts of a request, as an audit recorded them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scenarios.units import Second

Key = tuple[int, int]
"""The process, and the number of a visit, a stretch or an offloaded call in it."""


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """A block of the event loop's thread. cpu_s: the part of it that computes."""

    seconds: Second
    stretch: Key
    cpu_s: Second = 0.0


@dataclass(frozen=True, slots=True)
class ThreadCall:
    """queue: the probe's name. seconds: on the thread. cpu_s: the part that computes. kept_s: the
    part of that in which a C function holds the GIL. stretch: the longest such stretch. waking_s:
    from the token, or from the call where none was needed, to its start on the thread."""

    queue: str
    seconds: Second
    handover: Key
    cpu_s: Second = 0.0
    kept_s: Second = 0.0
    stretch: Key | None = None
    waking_s: Second = 0.0

    def scale_cpu(self, factor: float) -> "ThreadCall":
        longer_s = (factor - 1) * self.cpu_s
        kept_s = factor * self.kept_s
        return replace(
            self, seconds=self.seconds + longer_s, cpu_s=self.cpu_s + longer_s, kept_s=kept_s
        )


@dataclass(frozen=True, slots=True)
class ConcurrentCalls:
    """Calls that run at the same time; the request continues when all have ended."""

    calls: tuple[ThreadCall, ...]

    @property
    def seconds(self) -> Second:
        return max(each.seconds for each in self.calls)


@dataclass(frozen=True, slots=True)
class AwaitedTime:
    """Time that the request awaits without a thread."""

    seconds: Second


@dataclass(frozen=True, slots=True)
class TokenChange:
    """A token of a queue, without a thread, taken or returned."""

    queue: str
    is_taken: bool
    seconds: Second = 0.0


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """The end of the response; later parts are work after it."""

    seconds: Second = 0.0


Part = LoopBlock | ThreadCall | ConcurrentCalls | AwaitedTime | TokenChange | AnswerSent


@dataclass(frozen=True, slots=True)
class VisitDemand:
    """parts: in order. cpu_s: on the loop, without the parts. client_s: in the client and the
    network. visit: its key in the records."""

    parts: tuple[Part, ...]
    cpu_s: Second
    client_s: Second = 0.0
    visit: Key = (0, 0)

    def scale_cpu(self, factor: float) -> "VisitDemand":
        """Scale computation only; waits of threads stay the same."""

        def scale(part: Part) -> Part:
            if isinstance(part, ConcurrentCalls):
                return ConcurrentCalls(tuple(each.scale_cpu(factor) for each in part.calls))
            return part.scale_cpu(factor) if isinstance(part, ThreadCall) else part

        return replace(self, parts=tuple(map(scale, self.parts)), cpu_s=factor * self.cpu_s)

    @property
    def computing_s(self) -> Second:
        """Computation under the GIL, without blocks."""
        calls = (call for each in self.parts for call in list_calls(each))
        return self.cpu_s + sum(each.cpu_s for each in calls)

    @property
    def alone_s(self) -> Second:
        """Time of the request when it runs alone, including the work after its response."""
        return self.client_s + self.cpu_s + sum(each.seconds for each in self.parts)


Demands = Mapping[str, tuple[VisitDemand, ...]]
"""By route."""


def list_calls(part: Part) -> tuple[ThreadCall, ...]:
    if isinstance(part, ConcurrentCalls):
        return part.calls
    return (part,) if isinstance(part, ThreadCall) else ()
