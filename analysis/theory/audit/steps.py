"""What a request does in simulated time, and what it waits for: an event loop, threads.

The loop keeps asyncio's order. An iteration runs what was ready when it began; what that makes
ready waits for the next one, behind which come sockets and timers that the loop polls in between
(asyncio.BaseEventLoop._run_once). A request comes back to the loop several times, and each time it
waits for what stands before it: this is what a blocked loop costs everybody.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from scenarios.units import Second


class Visit(Protocol):
    """A request that is served."""

    process: "SimulatedProcess"

    def advance(self) -> None:
        """To its next step."""

    def end_response(self) -> None:
        """Its answer is sent."""


class Step(Protocol):
    """A part of a request."""

    def begin(self, visit: "Visit") -> bool:
        """Whether it takes no time; otherwise it calls visit.advance() when it has ended."""


Program = tuple[Step, ...]
"""What happens to a request, in order."""


@dataclass(frozen=True, slots=True)
class LoopTurn:
    """seconds: for which the loop's thread does nothing else. is_polled: a socket or a timer makes
    it ready, not other code. gives_back: the queue whose token it returns when it begins."""

    seconds: Second = 0.0
    is_polled: bool = False
    gives_back: str | None = None

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
class SendAnswer:
    """What follows is work after the answer."""

    def begin(self, visit: "Visit") -> bool:
        visit.end_response()
        return True


class SimulatedClock:
    def __init__(self) -> None:
        self.now_s: Second = 0.0
        self._due: list[tuple[Second, int, Callable[[], None]]] = []
        self._count = 0

    def call_later(self, delay_s: Second, action: Callable[[], None]) -> None:
        self._count += 1  # of two that are due at once, the first one is first
        heappush(self._due, (self.now_s + delay_s, self._count, action))

    def run(self, is_over: Callable[[], bool]) -> None:
        while self._due and not is_over():
            self.now_s, _, action = heappop(self._due)
            action()


Waiting = tuple[Visit, LoopTurn]


class SimulatedLoop:
    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._ready: deque[Waiting] = deque()
        self._polled: deque[Waiting] = deque()
        self._left = 0
        """Of this iteration."""
        self._running: Visit | None = None

    def add(self, visit: Visit, turn: LoopTurn) -> None:
        (self._polled if turn.is_polled else self._ready).append((visit, turn))
        if self._running is None:
            self._run_next()

    def _run_next(self) -> None:
        if not self._left:
            self._ready.extend(self._polled)
            self._polled.clear()
            self._left = len(self._ready)
        if not self._left:
            return
        self._left -= 1
        self._running, turn = self._ready.popleft()
        if turn.gives_back is not None:
            self._running.process.queues[turn.gives_back].take_back()
        self._clock.call_later(turn.seconds, self._end_turn)

    def _end_turn(self) -> None:
        """What the turn does at its end may make the next ones ready: it is still running."""
        assert self._running is not None
        self._running.advance()
        self._running = None
        self._run_next()


class SimulatedQueue:
    """First come, first served."""

    def __init__(self, capacity: float) -> None:
        self._free = capacity
        self._waiting: deque[Visit] = deque()

    def take(self, visit: Visit) -> bool:
        if self._free < 1:
            self._waiting.append(visit)
            return False
        self._free -= 1
        return True

    def take_back(self) -> None:
        if self._waiting:
            self._waiting.popleft().advance()
        else:
            self._free += 1


class SimulatedProcess:
    def __init__(self, clock: SimulatedClock, capacities: Mapping[str, float]) -> None:
        self.clock = clock
        self.loop = SimulatedLoop(clock)
        self.queues = {name: SimulatedQueue(each) for name, each in capacities.items()}
