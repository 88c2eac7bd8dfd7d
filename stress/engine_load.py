"""Leads a cell whose load another program makes: once to warm up, and once for the window."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from scenarios.model import Scenario
from scenarios.units import Second
from stress import plan
from stress.engines import MEASURED, WARMING, build_engine_command
from stress.interruption import CellInterruptedError
from stress.phases import PhaseRunner
from stress.processes import Process, describe_exit_code

WARM_UP_S = 1.0
ENDS_WITHIN_S = 60.0
"""They end when their last request is answered, which on a slow server is as long as its queue."""


@dataclass(slots=True)
class EngineLoad:
    """Stands where Locust's process stands: one program after the other."""

    folder: Path
    argv: tuple[str, ...] = ()
    role: str = "load"
    current: Process | None = None

    def list_processes(self) -> list[psutil.Process]:
        return self.current.list_processes() if self.current else []

    def get_exit_code(self) -> int | None:
        return self.current.get_exit_code() if self.current else None

    def read_last_log_line(self) -> str:
        return self.current.read_last_log_line() if self.current else ""

    def end(self) -> None:
        if self.current is not None:
            self.current.end()

    def start(self, command: plan.Command) -> None:
        self.argv = command.argv
        self.current = Process(command, self.folder / "load.log", os.environ)


@dataclass(slots=True)
class EnginePhaseRunner(PhaseRunner):
    """No ramp: such a program starts with all its users at once."""

    @property
    def engine(self) -> EngineLoad:
        assert isinstance(self.load, EngineLoad)
        return self.load

    def run_phases(self) -> None:
        """Raises CellInterruptedError."""
        windows = plan.plan_windows(self.scenario)
        self._run_phase(WARMING, compute_warm_up_s(self.scenario), windows)
        self.course.ramp_end_s = monotonic()
        self._run_phase(MEASURED, windows.window_s, windows)

    def _run_phase(self, phase: str, lasting_s: Second, windows: plan.WindowPlan) -> None:
        base_url = self.scenario.url or f"http://{self.stack.host}:{self.stack.port}"
        command = build_engine_command(self.scenario, base_url, self.cell.raw, phase, lasting_s)
        begun_s = self._open_window(windows) if phase == MEASURED else monotonic()
        self.engine.start(command)
        self._wait_until(phase, self._has_ended, lasting_s)
        if phase == MEASURED:
            self.course.window_end_s = begun_s + lasting_s
        ended = self._wait_until("drain", self._has_ended, windows.drain_s + ENDS_WITHIN_S)
        if phase == MEASURED:
            self.course.drain_end_s = monotonic()
        if not ended:
            name = self.scenario.load.engine
            raise CellInterruptedError(
                f"{name} still waits for answers {ENDS_WITHIN_S:.0f} s after its time, and tells "
                "nothing before: use --engine locust here"
            )
        if self.engine.get_exit_code() != 0:
            how = describe_exit_code(self.engine.get_exit_code() or 0)
            raise CellInterruptedError(
                f"the load ended ({how}): {self.engine.read_last_log_line()}"
            )

    def _has_ended(self) -> bool:
        return self.engine.get_exit_code() is not None

    def _describe_load_failure(self) -> str | None:
        """That it ends is what is waited for."""
        return None


def compute_warm_up_s(scenario: Scenario) -> Second:
    return WARM_UP_S + 3 * (scenario.delay_s or 0.0)
