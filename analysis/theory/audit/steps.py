"""The steps of a request in simulated time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from scenarios.units import Second

if TYPE_CHECKING:
    from analysis.theory.audit.stations import SimulatedProcess

SWITCH_S: Second = 0.005
"""Interval after which the interpreter releases the GIL (sys.getswitchinterval)."""

StretchKey = tuple[int, int]
"""The process, and the number of a stretch in it."""


@dataclass(slots=True)
class InterpreterUse:
    """A use of an interpreter. site: the audit's stretch. slice_s: time after which other uses
    come first. is_answered: it is work after a response."""

    route: str
    site: StretchKey | None
    seconds: Second
    slice_s: Second
    end: Callable[[], None]
    is_answered: bool = False


class Visit(Protocol):
    """A request being served."""

    route: str
    process: "SimulatedProcess"
    is_answered: bool
    """Its response was sent; it does other work."""

    def advance(self) -> None:
        """Run the next steps."""

    def end_response(self) -> None:
        """Record that the response was sent."""


class Step(Protocol):
    """A part of a request."""

    def begin(self, visit: "Visit") -> bool:
        """Return True if it takes no time; otherwise call visit.advance() at its end."""


@dataclass(frozen=True, slots=True)
class LoopTurn:
    """cpu_s: computation under the GIL. seconds: the time for which it then blocks the loop's
    thread. is_polled: True if a socket or a timer makes it ready, not other code. gives_back: the
    queue whose token it returns at its start. site: the audit's stretch that is most of it."""

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
    """A wait that holds only the tokens already taken."""

    seconds: Second

    def begin(self, visit: "Visit") -> bool:
        visit.process.clock.call_later(self.seconds, visit.advance)
        return False


@dataclass(frozen=True, slots=True)
class ThreadCpu:
    """Computation in a thread. is_kept: True for a C function that does not release the GIL. site:
    the audit's stretch in which it did so."""

    seconds: Second
    is_kept: bool = False
    site: StretchKey | None = None

    def begin(self, visit: "Visit") -> bool:
        process = visit.process
        interpreter = process.interpreter if self.is_kept else process.for_threads
        slice_s = self.seconds if self.is_kept else SWITCH_S
        end, is_answered = visit.advance, visit.is_answered
        interpreter.use(
            InterpreterUse(visit.route, self.site, self.seconds, slice_s, end, is_answered)
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
    """Programs that run at the same time; the step ends when all have ended."""

    programs: tuple["Program", ...]

    def begin(self, visit: "Visit") -> bool:
        left = Countdown(len(self.programs), visit)
        for each in self.programs:
            RunningTask(visit.route, visit.process, visit.is_answered, iter(each), left).advance()
        return False


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """The end of the response; later steps are work after it."""

    def begin(self, visit: "Visit") -> bool:
        visit.end_response()
        return True


Program = tuple[Step, ...]
"""A request's steps in order."""


@dataclass(slots=True)
class Countdown:
    """A request's unfinished tasks; after the last one the request continues."""

    left: int
    visit: Visit

    def count(self) -> None:
        self.left -= 1
        if not self.left:
            self.visit.advance()


@dataclass(slots=True)
class RunningTask:
    """A task of a request; it sends no response."""

    route: str
    process: "SimulatedProcess"
    is_answered: bool
    steps: Iterator[Step]
    left: Countdown

    def advance(self) -> None:
        for step in self.steps:
            if not step.begin(self):
                return
        self.left.count()

    def end_response(self) -> None:
        raise AssertionError("a task has no response to send")
