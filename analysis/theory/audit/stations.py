"""Stations that requests wait for in simulated time: an event loop, threads.

The loop keeps asyncio's order (asyncio.BaseEventLoop._run_once). An iteration runs the callbacks
that were ready at its start. Callbacks that become ready during it wait for the next iteration,
followed by sockets and timers that the loop polls in between. A request returns to the loop several
times, and each time waits for everything before it: that is the cost of a blocked loop.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush

from analysis.theory.audit.steps import SWITCH_S, InterpreterUse, LoopTurn, StretchKey, Visit
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """capacities: of each thread queue, per process. threads_need_gil: True if threads compute
    under the GIL, one at a time. cores: of the machine."""

    capacities: Mapping[str, float]
    threads_need_gil: bool = True
    cores: int = 1


class SimulatedClock:
    def __init__(self) -> None:
        self.now_s: Second = 0.0
        self._due: list[tuple[Second, int, Callable[[], None]]] = []
        self._count = 0

    def call_later(self, delay_s: Second, action: Callable[[], None]) -> None:
        self._count += 1  # two actions due at the same time run in order of their calls
        heappush(self._due, (self.now_s + delay_s, self._count, action))

    def run(self, is_over: Callable[[], bool]) -> None:
        while self._due and not is_over():
            self.now_s, _, action = heappop(self._due)
            action()


@dataclass(frozen=True, slots=True)
class WaitLedger:
    """Total seconds that requests waited before their responses. loop_s: while the loop ran turns
    of a route, or an interpreter computed for it, by route and site. queue_s: for a token of a
    queue, by queue and waiting route."""

    loop_s: dict[tuple[str, StretchKey | None], Second] = field(
        default_factory=lambda: defaultdict(float)
    )
    queue_s: dict[tuple[str, str], Second] = field(default_factory=lambda: defaultdict(float))

    def clear(self) -> None:
        self.loop_s.clear()
        self.queue_s.clear()


class SimulatedInterpreter:
    """Round-robin time slices on some servers. With one server, it is the GIL."""

    def __init__(self, clock: SimulatedClock, ledger: WaitLedger, servers: int = 1) -> None:
        self._clock, self._ledger = clock, ledger
        self._free = servers
        self._waiting: deque[InterpreterUse] = deque()
        self._unanswered = 0
        """Number of waiting uses before a response."""

    def use(self, usage: InterpreterUse) -> None:
        self._add(usage)
        if self._free:
            self._free -= 1
            self._run_next()

    def _add(self, usage: InterpreterUse) -> None:
        self._waiting.append(usage)
        self._unanswered += not usage.is_answered

    def _run_next(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        usage = self._waiting.popleft()
        self._unanswered -= not usage.is_answered
        spent_s = min(usage.seconds, usage.slice_s)
        usage.seconds -= spent_s
        self._clock.call_later(spent_s, partial(self._end_slice, usage, spent_s))

    def _end_slice(self, usage: InterpreterUse, spent_s: Second) -> None:
        waited_s = spent_s * self._unanswered
        self._ledger.loop_s[usage.route, usage.site] += waited_s
        if usage.seconds > 0:
            self._add(usage)
        else:
            usage.end()
        self._run_next()


class SimulatedLoop:
    def __init__(
        self, clock: SimulatedClock, ledger: WaitLedger, interpreter: SimulatedInterpreter
    ) -> None:
        self._clock, self._ledger, self._interpreter = clock, ledger, interpreter
        self._ready: deque[tuple[Visit, LoopTurn]] = deque()
        self._polled: deque[tuple[Visit, LoopTurn]] = deque()
        self._left = 0
        """Turns left in this iteration."""
        self._running: tuple[Visit, LoopTurn] | None = None
        self._waiting, self._waited_s, self._counted_s = 0, 0.0, 0.0
        """Number of due turns before a response, their total wait during this turn, and when it was
        last counted."""

    def add(self, visit: Visit, turn: LoopTurn) -> None:
        self._count_waiting(0 if visit.is_answered else 1)
        (self._polled if turn.is_polled else self._ready).append((visit, turn))
        if self._running is None:
            self._run_next()

    def _count_waiting(self, change: int) -> None:
        self._waited_s += self._waiting * (self._clock.now_s - self._counted_s)
        self._counted_s = self._clock.now_s
        self._waiting += change

    def _run_next(self) -> None:
        if not self._left:
            self._ready.extend(self._polled)
            self._polled.clear()
            self._left = len(self._ready)
        if not self._left:
            return
        self._left -= 1
        visit, turn = self._running = self._ready.popleft()
        self._count_waiting(0 if visit.is_answered else -1)
        if turn.gives_back is not None:
            visit.process.queues[turn.gives_back].take_back()
        if turn.cpu_s > 0:
            wait = partial(self._wait, turn)
            usage = (visit.route, turn.site, turn.cpu_s, SWITCH_S, wait, visit.is_answered)
            self._interpreter.use(InterpreterUse(*usage))
        else:
            self._wait(turn)

    def _wait(self, turn: LoopTurn) -> None:
        if turn.seconds > 0:
            self._clock.call_later(turn.seconds, self._end_turn)
        elif turn.cpu_s > 0:
            self._end_turn()
        else:  # never call it directly: many such turns would recurse too deeply
            self._clock.call_later(0.0, self._end_turn)

    def _end_turn(self) -> None:
        """End the turn; it still counts as running while it makes other turns ready."""
        assert self._running is not None
        visit, turn = self._running
        self._count_waiting(0)
        self._ledger.loop_s[visit.route, turn.site] += self._waited_s
        self._waited_s = 0.0
        visit.advance()
        self._running = None
        self._run_next()


class SimulatedQueue:
    """First come, first served."""

    def __init__(
        self, name: str, capacity: float, clock: SimulatedClock, ledger: WaitLedger
    ) -> None:
        self._name, self._clock, self._ledger = name, clock, ledger
        self._free = capacity
        self._waiting: deque[tuple[Visit, Second]] = deque()

    def take(self, visit: Visit) -> bool:
        if self._free < 1:
            self._waiting.append((visit, self._clock.now_s))
            return False
        self._free -= 1
        return True

    def take_back(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        visit, since_s = self._waiting.popleft()
        if not visit.is_answered:
            self._ledger.queue_s[self._name, visit.route] += self._clock.now_s - since_s
        visit.advance()


class SimulatedProcess:
    """for_threads: the interpreter of threads, the loop's own if they need the GIL."""

    def __init__(self, clock: SimulatedClock, limits: ServiceLimits, ledger: WaitLedger) -> None:
        self.clock = clock
        self.interpreter = self.for_threads = SimulatedInterpreter(clock, ledger)
        if not limits.threads_need_gil:
            self.for_threads = SimulatedInterpreter(clock, ledger, limits.cores)
        self.loop = SimulatedLoop(clock, ledger, self.interpreter)
        self.queues = {
            name: SimulatedQueue(name, each, clock, ledger)
            for name, each in limits.capacities.items()
        }
