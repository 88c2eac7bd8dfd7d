"""Leads a cell through its phases: ramp, warm-up, window, drain. Watches everything meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Protocol

from records.cell import ROUND_S, Phases, death_rounds
from records.rundir import CellDir
from scenarios.model import Engine, Scenario
from scenarios.units import Second
from stress import plan
from stress.interruption import CellInterruptedError, Interruption
from stress.processes import how_it_ended
from stress.protocol import Control, Progress, read_progress, write_control
from stress.stack import Stack
from stress.watch import WorkerWatch

POLL_S = 0.05
TELL_EVERY_S = 0.5
LOAD_STARTS_WITHIN_S = 30.0
LOAD_ENDS_WITHIN_S = 20.0
INSTANT_S = 1e-6
SETTLE_S = 0.5
"""A worker's death resets its connections within milliseconds and the next worker needs a second
to boot: half a second after a death all its failures are in, and no new answer is yet."""


class Load(Protocol):
    """What makes the load, as far as it has to be watched."""

    def exit_code(self) -> int | None: ...

    def last_words(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """For whoever shows progress. left_s: what the plan still allows, at the most."""

    scenario: str
    phase: str
    left_s: Second
    progress: Progress
    deaths: int
    engine: Engine = "locust"


Listener = Callable[[Moment], None]


@dataclass(slots=True)
class Course:
    """How far the cell has come. Times absolute."""

    t0_s: float = 0.0
    ramp_end_s: float | None = None
    window_start_s: float | None = None
    window_end_s: float | None = None
    drain_end_s: float | None = None
    steady: bool = True

    def phases(self) -> Phases:
        def since(moment_s: float | None) -> float | None:
            return None if moment_s is None else moment_s - self.t0_s

        return Phases(
            since(self.ramp_end_s),
            since(self.window_start_s),
            since(self.window_end_s),
            since(self.drain_end_s),
            self.steady,
        )


@dataclass(slots=True)
class Conductor:
    """Leads a started stack and load through the phases."""

    scenario: Scenario
    cell: CellDir
    stack: Stack
    load: Load
    workers: WorkerWatch
    interruption: Interruption
    listener: Listener
    course: Course = field(default_factory=Course)
    progress: Progress = field(default_factory=Progress)
    at_window: Callable[[Second], None] = lambda _: None
    """Called when the window opens, with how long it is planned to be."""
    _told_s: float = 0.0

    def lead(self) -> None:
        """Raises CellInterruptedError."""
        windows = plan.windows(self.scenario)
        users = self.scenario.load.users
        limit_s = windows.ramp_s + LOAD_STARTS_WITHIN_S
        self._until("ramp", lambda: self.progress.ramp_end_s is not None, limit_s)
        self.course.ramp_end_s = self.progress.ramp_end_s
        if windows.cycles is None:
            end_s = self._through_window(windows, users)
        else:
            end_s = self._through_cycles(windows, windows.cycles)
        limit_s = windows.drain_s + LOAD_ENDS_WITHIN_S
        self._until("drain", lambda: self.load.exit_code() is not None, limit_s)
        self.course.drain_end_s = min(monotonic(), end_s + windows.drain_s)
        if self.load.exit_code() != 0:
            raise CellInterruptedError("the load did not end in order")

    def _through_window(self, windows: plan.Windows, users: int) -> float:
        if self.scenario.load.is_open:  # nobody to wait for: the analysis looks for the cut
            self._until("warm-up", lambda: False, windows.warm_up_limit_s)
        else:
            self.course.steady = self._until(
                "warm-up", lambda: self.progress.warm >= users, windows.warm_up_limit_s
            )
        if self.scenario.load.requests is not None:
            return self._through_count(windows, self.scenario.load.requests)
        end_s = self._open_window(windows) + windows.window_s
        self._stop_sending(end_s, windows.drain_s)
        self._until("window", lambda: False, windows.window_s)
        self.course.window_end_s = end_s
        return end_s

    def _through_count(self, windows: plan.Windows, requests: int) -> float:
        """The window lasts until so many have completed, at most as long as any window."""
        limit_s = self._open_window(windows) + windows.window_s
        self._stop_sending(limit_s, windows.drain_s, requests)
        counted = self._until(
            "window", lambda: self.progress.counted_until_s is not None, windows.window_s
        )
        if self.progress.counted_from_s is not None:
            self.course.window_start_s = self.progress.counted_from_s
        if counted and self.progress.counted_until_s is not None:
            limit_s = self.progress.counted_until_s + INSTANT_S  # the last one is in it
        self.course.window_end_s = limit_s
        return limit_s

    def _through_cycles(self, windows: plan.Windows, cycles: int) -> float:
        """The window spans whole cycles, from one worker's death to another's."""

        def rounds() -> int:
            return len(death_rounds(self.workers.deaths))

        before = rounds()  # one in the ramp opens no window: it would begin in mid-cycle
        self.course.steady = self._until(
            "warm-up", lambda: rounds() > before, windows.warm_up_limit_s, settle=True
        )
        before = rounds()
        self._open_window(windows)
        self._until("window", lambda: rounds() >= before + cycles, windows.window_s, settle=True)
        end_s = self.course.window_end_s = monotonic()
        self._stop_sending(end_s, windows.drain_s)
        return end_s

    def _open_window(self, windows: plan.Windows) -> float:
        self.at_window(windows.window_s)
        self.course.window_start_s = monotonic()
        return self.course.window_start_s

    def _stop_sending(self, at_s: float, drain_s: Second, requests: int | None = None) -> None:
        write_control(self.cell.raw, Control(at_s, at_s + drain_s, requests))

    def _until(
        self, phase: str, done: Callable[[], bool], limit_s: Second, settle: bool = False
    ) -> bool:
        """Waits, watching everything meanwhile. False when the limit came first."""
        deadline_s = monotonic() + limit_s
        while (now_s := monotonic()) < deadline_s:
            self.workers.look()
            self.progress = read_progress(self.cell.raw)
            self._tell(phase, deadline_s - now_s, now_s)
            if done():
                if settle:
                    several = self.scenario.server.workers > 1
                    sleep(SETTLE_S + (ROUND_S if several else 0.0))
                    self.workers.look()
                return True
            self._check(phase)
            sleep(min(POLL_S, max(0.0, deadline_s - now_s)))
        return done()

    def _tell(self, phase: str, left_s: Second, now_s: float) -> None:
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            deaths = len(self.workers.deaths)
            engine = self.scenario.load.engine
            self.listener(Moment(self.scenario.name, phase, left_s, self.progress, deaths, engine))

    def _check(self, phase: str) -> None:
        reason = self.interruption.reason or self.stack.fallen()
        if reason is None and phase != "drain":
            reason = self._load_fallen()
        if reason is not None:
            raise CellInterruptedError(reason)

    def _load_fallen(self) -> str | None:
        code = self.load.exit_code()
        if code is not None:
            self.progress = read_progress(self.cell.raw)  # its last word
        now = self.progress
        if 0 < now.processes == now.lost:
            return f"all {now.processes} load processes are gone"
        if code is not None:
            how = how_it_ended(code)
            return f"the load ended by itself ({how}): {self.load.last_words()}"
        return None
