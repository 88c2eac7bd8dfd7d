"""Leads a cell through ramp, warm-up, window and drain, and monitors all processes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from records.cell import ROUND_S, Phases, find_death_rounds
from scenarios.model import Scenario
from scenarios.units import Second
from stress.explain import DECIDED_BEFORE_S, UNDER_LOAD_S, LoadExplainer
from stress.interruption import POLL_S, CellInterruptedError
from stress.load.protocol import GO_FILE, LoadControl, LoadProgress, read_progress, write_message
from stress.plan import WindowPlan
from stress.processes import Process, describe_end
from stress.resource_monitor import WorkerMonitor
from stress.runtime import TELL_EVERY_S, CellRun, PhaseProgress, Runtime
from stress.stack import Stack

LOAD_STARTS_WITHIN_S = 30.0
LOAD_ENDS_WITHIN_S = 20.0
INSTANT_S = 1e-6
SETTLE_S = 0.5
"""A worker's death resets its connections within milliseconds, and the next worker takes a second
to start. Half a second after a death, all its failures are recorded and no new response is."""


@dataclass(slots=True)
class PhaseTimes:
    """Absolute times of the phases so far."""

    t0_s: float = field(default_factory=monotonic)
    ramp_end_s: float | None = None
    window_start_s: float | None = None
    window_end_s: float | None = None
    drain_end_s: float | None = None
    steady: bool = True
    profile_end_s: float | None = None

    def build_phases(self) -> Phases:
        moments = (
            self.ramp_end_s, self.window_start_s, self.window_end_s, self.drain_end_s,
            self.profile_end_s,
        )  # fmt: skip
        ramp_s, start_s, end_s, drain_s, profile_s = (each and each - self.t0_s for each in moments)
        return Phases(ramp_s, start_s, end_s, drain_s, self.steady, profile_s)


@dataclass(slots=True)
class PhaseRunner:
    """The phases of a cell, run on a started stack and load."""

    cell: CellRun
    runtime: Runtime
    stack: Stack
    load: Process
    at_window: Callable[[Second], None]
    """Called when the window opens, with its planned length."""
    save_begun: Callable[["PhaseRunner"], None]
    """Called after the window has opened: from then on a killed cell can be recovered."""
    explainer: LoadExplainer | None = None
    """Explains the window if it misses its prediction; None if the cell cannot be explained."""
    times: PhaseTimes = field(default_factory=PhaseTimes)
    progress: LoadProgress = field(default_factory=LoadProgress)
    workers: WorkerMonitor = field(init=False)
    _reported_s: float = 0.0

    def __post_init__(self) -> None:
        self.workers = WorkerMonitor(self.stack.journals)

    @property
    def scenario(self) -> Scenario:
        return self.cell.scenario

    @property
    def windows(self) -> WindowPlan:
        return self.cell.windows

    def lead_cell(self) -> str | None:
        """Run the cell, and return why it stopped early; None if it did not."""
        (self.cell.directory.raw / GO_FILE).touch()
        try:
            self.run_phases()
        except CellInterruptedError as error:
            if self.times.window_start_s is not None and self.times.window_end_s is None:
                self.times.window_end_s = monotonic()
            return str(error)
        return None

    def run_phases(self) -> None:
        """Run all phases. Raises CellInterruptedError."""
        limit_s = self.windows.ramp_s + LOAD_STARTS_WITHIN_S
        self._wait_until("ramp", lambda: self.progress.ramp_end_s is not None, limit_s)
        self.times.ramp_end_s = self.progress.ramp_end_s
        if self.windows.cycles is not None:
            self._measure_worker_cycles(self.windows.cycles)
        else:
            self._warm_up()
            self._measure_window(self.scenario.load.requests)
        quiet_s = self.times.profile_end_s or self.times.window_end_s
        assert quiet_s is not None
        limit_s = self.windows.drain_s + LOAD_ENDS_WITHIN_S
        self._wait_until("drain", self._has_load_ended, limit_s)
        self.times.drain_end_s = min(monotonic(), quiet_s + self.windows.drain_s)
        if self.load.get_exit_code() != 0:
            raise CellInterruptedError("the load did not exit cleanly")

    def _warm_up(self) -> None:
        """Wait until every user is warm. An open loop waits the whole limit; the analysis finds its
        steady state. Without a planned warm-up, wait for the ramp's end, which is known early."""
        load, ramp_end_s = self.scenario.load, self.times.ramp_end_s or 0.0
        limit_s = max(self.windows.warm_up_limit_s, ramp_end_s - monotonic())
        warm = self._wait_until(
            "warm-up", lambda: not load.is_open and self.progress.warm >= load.users, limit_s
        )
        self.times.steady = warm or load.is_open

    def _measure_window(self, requests: int | None) -> None:
        """Measure for the window's length, or until `requests` requests have completed."""
        end_s = self._open_window() + self.windows.window_s
        stop_s = end_s + self._choose_profile_length()
        self._stop_sending(stop_s, requests)
        counted = self._wait_until(
            "window", lambda: self.progress.counted_until_s is not None, end_s - monotonic()
        )
        if self.progress.counted_from_s is not None:
            self.times.window_start_s = self.progress.counted_from_s
        if counted and self.progress.counted_until_s is not None:
            end_s = self.progress.counted_until_s + INSTANT_S  # includes the last request
        self.times.window_end_s = end_s
        if self.explainer is not None and stop_s > end_s:
            self.explainer.begin()
            self._wait_until("profile", lambda: False, stop_s - monotonic())
            self.times.profile_end_s = stop_s
            self.explainer.finish()

    def _choose_profile_length(self) -> Second:
        """Wait until shortly before the window's end, then return the length of the profile."""
        if self.explainer is None:
            return 0.0
        self.explainer.open_window()
        self._wait_until("window", lambda: False, self.windows.window_s - DECIDED_BEFORE_S)
        return UNDER_LOAD_S if self.explainer.is_needed() else 0.0

    def _measure_worker_cycles(self, cycles: int) -> None:
        """Measure whole cycles, from one worker's death to another's."""

        def rounds() -> int:
            return len(find_death_rounds(self.workers.deaths))

        ramp_end_s = self.times.ramp_end_s or 0.0  # known a moment early
        self._wait_until("ramp", lambda: False, ramp_end_s - monotonic())
        before = rounds()  # a death in the ramp opens no window, which would start mid-cycle
        self.times.steady = self._wait_until(
            "warm-up", lambda: rounds() > before, self.windows.warm_up_limit_s, settle=True
        )
        before = rounds()
        self._open_window()
        self._wait_until(
            "window", lambda: rounds() >= before + cycles, self.windows.window_s, settle=True
        )
        self.times.window_end_s = monotonic()
        self._stop_sending(self.times.window_end_s)

    def _open_window(self) -> float:
        self.at_window(self.windows.window_s)
        self.times.window_start_s = monotonic()
        self.save_begun(self)
        return self.times.window_start_s

    def _stop_sending(self, at_s: float, requests: int | None = None) -> None:
        control = LoadControl(at_s, at_s + self.windows.drain_s, requests)
        write_message(self.cell.directory.raw, control)

    def _has_load_ended(self) -> bool:
        return self.load.get_exit_code() is not None

    def _wait_until(
        self, phase: str, done: Callable[[], bool], limit_s: Second, settle: bool = False
    ) -> bool:
        """Wait until `done` while monitoring all processes. Return False at the limit."""
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
        end = describe_end(self.load)
        if end is not None:
            self.progress = read_progress(self.cell.directory.raw)  # its last report
        now = self.progress
        all_lost = 0 < now.processes == now.lost
        return f"all {now.processes} load processes are gone" if all_lost else end
