"""The parts of a request, as an audit has seen them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scenarios.units import Second

Key = tuple[int, int]
"""The process, and the number of a visit, a stretch or a hand-over in it."""


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """The thread of the event loop does nothing else meanwhile. cpu_s: of it, that it computes."""

    seconds: Second
    stretch: Key
    cpu_s: Second = 0.0


@dataclass(frozen=True, slots=True)
class ThreadCall:
    """queue: as the probe names it. seconds: on the thread. cpu_s: of it, that it computes; kept_s:
    of that, while a C function keeps the GIL. stretch: in which it does so for the longest.
    waking_s: from the token, or where none is missing, to the begin on the thread."""

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
    """The request goes on when all have ended."""

    calls: tuple[ThreadCall, ...]

    @property
    def seconds(self) -> Second:
        return max(each.seconds for each in self.calls)


@dataclass(frozen=True, slots=True)
class AwaitedTime:
    """What the request awaits, and no thread works for it."""

    seconds: Second


@dataclass(frozen=True, slots=True)
class TokenChange:
    """Of a queue, without a thread: taken, or given back."""

    queue: str
    is_taken: bool
    seconds: Second = 0.0


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """What follows is work after the answer."""

    seconds: Second = 0.0


Part = LoopBlock | ThreadCall | ConcurrentCalls | AwaitedTime | TokenChange | AnswerSent


@dataclass(frozen=True, slots=True)
class VisitDemand:
    """parts: in order. cpu_s: of the loop, without the parts. client_s: of the client and the
    network. visit: its number in the records."""

    parts: tuple[Part, ...]
    cpu_s: Second
    client_s: Second = 0.0
    visit: Key = (0, 0)

    def scale_cpu(self, factor: float) -> "VisitDemand":
        """What threads wait for takes as long as before."""

        def scale(part: Part) -> Part:
            if isinstance(part, ConcurrentCalls):
                return ConcurrentCalls(tuple(each.scale_cpu(factor) for each in part.calls))
            return part.scale_cpu(factor) if isinstance(part, ThreadCall) else part

        return replace(self, parts=tuple(map(scale, self.parts)), cpu_s=factor * self.cpu_s)

    @property
    def computing_s(self) -> Second:
        """Under the GIL, without blocks."""
        calls = (call for each in self.parts for call in list_calls(each))
        return self.cpu_s + sum(each.cpu_s for each in calls)

    @property
    def alone_s(self) -> Second:
        """Where the request waits for nobody, with its work after the answer."""
        return self.client_s + self.cpu_s + sum(each.seconds for each in self.parts)


Demands = Mapping[str, tuple[VisitDemand, ...]]
"""By route."""


def list_calls(part: Part) -> tuple[ThreadCall, ...]:
    if isinstance(part, ConcurrentCalls):
        return part.calls
    return (part,) if isinstance(part, ThreadCall) else ()
