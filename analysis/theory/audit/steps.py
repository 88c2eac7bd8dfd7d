"""What a request does in simulated time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from scenarios.units import Second

if TYPE_CHECKING:
    from analysis.theory.audit.stations import SimulatedProcess

SWITCH_S: Second = 0.005
"""After which the interpreter passes the GIL on (sys.getswitchinterval)."""

StretchKey = tuple[int, int]
"""The process, and the number of a stretch in it."""


@dataclass(slots=True)
class InterpreterUse:
    """Of an interpreter. site: the stretch of an audit that it is. slice_s: after which others
    come first."""

    route: str
    site: StretchKey | None
    seconds: Second
    slice_s: Second
    end: Callable[[], None]


class Visit(Protocol):
    """A request that is served."""

    route: str
    process: "SimulatedProcess"

    def advance(self) -> None:
        """To its next step."""

    def end_response(self) -> None:
        """Its answer is sent."""


class Step(Protocol):
    """A part of a request."""

    def begin(self, visit: "Visit") -> bool:
        """Whether it takes no time; otherwise it calls visit.advance() when it has ended."""


@dataclass(frozen=True, slots=True)
class LoopTurn:
    """cpu_s: that it computes, under the GIL; seconds: for which it then waits, and the loop's
    thread does nothing else. is_polled: a socket or a timer makes it ready, not other code.
    gives_back: the queue whose token it returns when it begins. site: the stretch of an audit that
    is most of it."""

    cpu_s: Second = 0.0
    seconds: Second = 0.0
    is_polled: bool = False
    gives_back: str | None = None
    site: StretchKey | None = None

    def begin(self, visit: "Visit") -> bool:
        visit.process.loop.add(visit, self)
        return False


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is kept meanwhile but the tokens that were taken."""

    seconds: Second

    def begin(self, visit: "Visit") -> bool:
        visit.process.clock.call_later(self.seconds, visit.advance)
        return False


@dataclass(frozen=True, slots=True)
class ThreadCpu:
    """A thread computes. is_kept: a C function, which passes the GIL to nobody. site: the stretch
    of an audit in which it did so."""

    seconds: Second
    is_kept: bool = False
    site: StretchKey | None = None

    def begin(self, visit: "Visit") -> bool:
        process = visit.process
        interpreter = process.interpreter if self.is_kept else process.for_threads
        slice_s = self.seconds if self.is_kept else SWITCH_S
        interpreter.use(
            InterpreterUse(visit.route, self.site, self.seconds, slice_s, visit.advance)
        )
        return False


@dataclass(frozen=True, slots=True)
class TakeToken:
    queue: str

    def begin(self, visit: "Visit") -> bool:
        return visit.process.queues[self.queue].take(visit)


@dataclass(frozen=True, slots=True)
class ReturnToken:
    queue: str

    def begin(self, visit: "Visit") -> bool:
        visit.process.queues[self.queue].take_back()
        return True


@dataclass(frozen=True, slots=True)
class RunTogether:
    """It ends when all of them have."""

    programs: tuple["Program", ...]

    def begin(self, visit: "Visit") -> bool:
        left = Countdown(len(self.programs), visit)
        for each in self.programs:
            RunningTask(visit.route, visit.process, iter(each), left).advance()
        return False


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """What follows is work after the answer."""

    def begin(self, visit: "Visit") -> bool:
        visit.end_response()
        return True


Program = tuple[Step, ...]
"""What happens to a request, in order."""


@dataclass(slots=True)
class Countdown:
    """Of a request's tasks; with the last one the request goes on."""

    left: int
    visit: Visit

    def count(self) -> None:
        self.left -= 1
        if not self.left:
            self.visit.advance()


@dataclass(slots=True)
class RunningTask:
    """Of a request, which sends no answer by itself."""

    route: str
    process: "SimulatedProcess"
    steps: Iterator[Step]
    left: Countdown

    def advance(self) -> None:
        for step in self.steps:
            if not step.begin(self):
                return
        self.left.count()

    def end_response(self) -> None:
        raise AssertionError("a task has no answer to send")
