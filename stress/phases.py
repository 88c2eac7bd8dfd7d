"""Leads a cell through its phases: ramp, warm-up, window, drain. Watches everything meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Protocol

from records.cell import ROUND_S, Phases, find_death_rounds
from scenarios.model import Scenario
from scenarios.units import Second
from stress.interruption import CellInterruptedError
from stress.load.protocol import LoadControl, LoadProgress, read_progress, write_control
from stress.plan import WindowPlan
from stress.processes import describe_exit_code
from stress.resource_monitor import WorkerMonitor
from stress.runtime import CellRun, PhaseProgress, Runtime
from stress.stack import Stack

POLL_S = 0.05
TELL_EVERY_S = 0.5
LOAD_STARTS_WITHIN_S = 30.0
LOAD_ENDS_WITHIN_S = 20.0
INSTANT_S = 1e-6
SETTLE_S = 0.5
"""A worker's death resets its connections within milliseconds and the next worker needs a second
to boot: half a second after a death all its failures are in, and no new answer is yet."""


class LoadGenerator(Protocol):
    """What makes the load, as far as it has to be watched."""

    def get_exit_code(self) -> int | None: ...

    def read_last_log_line(self) -> str: ...


@dataclass(slots=True)
class PhaseTimes:
    """How far the cell has come. Times absolute."""

    t0_s: float = field(default_factory=monotonic)
    ramp_end_s: float | None = None
    window_start_s: float | None = None
    window_end_s: float | None = None
    drain_end_s: float | None = None
    steady: bool = True

    def close_window(self, at_s: float) -> None:
        """Where it was cut short."""
        if self.window_start_s is not None and self.window_end_s is None:
            self.window_end_s = at_s

    def build_phases(self) -> Phases:
        moments = (self.ramp_end_s, self.window_start_s, self.window_end_s, self.drain_end_s)
        ramp_s, start_s, end_s, drain_s = (each and each - self.t0_s for each in moments)
        return Phases(ramp_s, start_s, end_s, drain_s, self.steady)


@dataclass(slots=True)
class PhaseRunner:
    """Leads a started stack and load through the phases."""

    cell: CellRun
    runtime: Runtime
    stack: Stack
    load: LoadGenerator
    workers: WorkerMonitor
    at_window: Callable[[Second], None]
    """Called when the window opens, with how long it is planned to be."""
    times: PhaseTimes = field(default_factory=PhaseTimes)
    progress: LoadProgress = field(default_factory=LoadProgress)
    _reported_s: float = 0.0

    @property
    def scenario(self) -> Scenario:
        return self.cell.scenario

    def run_phases(self) -> None:
        """Raises CellInterruptedError."""
        windows = self.cell.windows
        users = self.scenario.load.users
        limit_s = windows.ramp_s + LOAD_STARTS_WITHIN_S
        self._wait_until("ramp", lambda: self.progress.ramp_end_s is not None, limit_s)
        self.times.ramp_end_s = self.progress.ramp_end_s
        if windows.cycles is None:
            end_s = self._measure_window(windows, users)
        else:
            end_s = self._measure_worker_cycles(windows, windows.cycles)
        limit_s = windows.drain_s + LOAD_ENDS_WITHIN_S
        self._wait_until("drain", lambda: self.load.get_exit_code() is not None, limit_s)
        self.times.drain_end_s = min(monotonic(), end_s + windows.drain_s)
        if self.load.get_exit_code() != 0:
            raise CellInterruptedError("the load did not end in order")

    def _measure_window(self, windows: WindowPlan, users: int) -> float:
        if self.scenario.load.is_open:  # nobody to wait for: the analysis looks for the cut
            self._wait_until("warm-up", lambda: False, windows.warm_up_limit_s)
        else:
            self.times.steady = self._wait_until(
                "warm-up", lambda: self.progress.warm >= users, windows.warm_up_limit_s
            )
        if self.scenario.load.requests is not None:
            return self._measure_request_count(windows, self.scenario.load.requests)
        end_s = self._open_window(windows) + windows.window_s
        self._stop_sending(end_s, windows.drain_s)
        self._wait_until("window", lambda: False, windows.window_s)
        self.times.window_end_s = end_s
        return end_s

    def _measure_request_count(self, windows: WindowPlan, requests: int) -> float:
        """The window lasts until so many have completed, at most as long as any window."""
        limit_s = self._open_window(windows) + windows.window_s
        self._stop_sending(limit_s, windows.drain_s, requests)
        counted = self._wait_until(
            "window", lambda: self.progress.counted_until_s is not None, windows.window_s
        )
        if self.progress.counted_from_s is not None:
            self.times.window_start_s = self.progress.counted_from_s
        if counted and self.progress.counted_until_s is not None:
            limit_s = self.progress.counted_until_s + INSTANT_S  # the last one is in it
        self.times.window_end_s = limit_s
        return limit_s

    def _measure_worker_cycles(self, windows: WindowPlan, cycles: int) -> float:
        """The window spans whole cycles, from one worker's death to another's."""

        def rounds() -> int:
            return len(find_death_rounds(self.workers.deaths))

        before = rounds()  # one in the ramp opens no window: it would begin in mid-cycle
        self.times.steady = self._wait_until(
            "warm-up", lambda: rounds() > before, windows.warm_up_limit_s, settle=True
        )
        before = rounds()
        self._open_window(windows)
        self._wait_until(
            "window", lambda: rounds() >= before + cycles, windows.window_s, settle=True
        )
        end_s = self.times.window_end_s = monotonic()
        self._stop_sending(end_s, windows.drain_s)
        return end_s

    def _open_window(self, windows: WindowPlan) -> float:
        self.at_window(windows.window_s)
        self.times.window_start_s = monotonic()
        return self.times.window_start_s

    def _stop_sending(self, at_s: float, drain_s: Second, requests: int | None = None) -> None:
        write_control(self.cell.directory.raw, LoadControl(at_s, at_s + drain_s, requests))

    def _wait_until(
        self, phase: str, done: Callable[[], bool], limit_s: Second, settle: bool = False
    ) -> bool:
        """Waits, watching everything meanwhile. False when the limit came first."""
        deadline_s = monotonic() + limit_s
        while (now_s := monotonic()) < deadline_s:
            self.workers.record_deaths()
            self.progress = read_progress(self.cell.directory.raw)
            self._report_progress(phase, deadline_s - now_s, now_s)
            if done():
                if settle:
                    several = self.scenario.server.workers > 1
                    sleep(SETTLE_S + (ROUND_S if several else 0.0))
                    self.workers.record_deaths()
                return True
            self._check_processes(phase)
            sleep(min(POLL_S, max(0.0, deadline_s - now_s)))
        return done()

    def _report_progress(self, phase: str, left_s: Second, now_s: float) -> None:
        if now_s - self._reported_s >= TELL_EVERY_S:
            self._reported_s = now_s
            deaths = len(self.workers.deaths)
            engine = self.scenario.load.engine
            self.runtime.listener(
                PhaseProgress(self.scenario.name, phase, left_s, self.progress, deaths, engine)
            )

    def _check_processes(self, phase: str) -> None:
        reason = self.runtime.interruption.reason or self.stack.find_ended_process()
        if reason is None and phase != "drain":
            reason = self._describe_load_failure()
        if reason is not None:
            raise CellInterruptedError(reason)

    def _describe_load_failure(self) -> str | None:
        code = self.load.get_exit_code()
        if code is not None:
            self.progress = read_progress(self.cell.directory.raw)  # its last word
        now = self.progress
        if 0 < now.processes == now.lost:
            return f"all {now.processes} load processes are gone"
        if code is not None:
            how = describe_exit_code(code)
            return f"the load ended by itself ({how}): {self.load.read_last_log_line()}"
        return None
