"""Leads a cell whose load another program makes: once to warm up, and once for the window."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from scenarios.model import Scenario
from scenarios.units import Second
from stress import plan
from stress.conductor import Conductor
from stress.engines import MEASURED, WARMING, engine_command
from stress.interruption import CellInterruptedError
from stress.processes import Process, how_it_ended

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

    def family(self) -> list[psutil.Process]:
        return self.current.family() if self.current else []

    def exit_code(self) -> int | None:
        return self.current.exit_code() if self.current else None

    def last_words(self) -> str:
        return self.current.last_words() if self.current else ""

    def end(self) -> None:
        if self.current is not None:
            self.current.end()

    def start(self, command: plan.Command) -> None:
        self.argv = command.argv
        self.current = Process(command, self.folder / "load.log", os.environ)


@dataclass(slots=True)
class EngineConductor(Conductor):
    """No ramp: such a program starts with all its users at once."""

    @property
    def engine(self) -> EngineLoad:
        assert isinstance(self.load, EngineLoad)
        return self.load

    def lead(self) -> None:
        """Raises CellInterruptedError."""
        windows = plan.windows(self.scenario)
        self._through(WARMING, warm_up_s(self.scenario), windows)
        self.course.ramp_end_s = monotonic()
        self._through(MEASURED, windows.window_s, windows)

    def _through(self, phase: str, lasting_s: Second, windows: plan.Windows) -> None:
        base_url = self.scenario.url or f"http://{self.stack.host}:{self.stack.port}"
        command = engine_command(self.scenario, base_url, self.cell.raw, phase, lasting_s)
        begun_s = self._open_window(windows) if phase == MEASURED else monotonic()
        self.engine.start(command)
        self._until(phase, self._has_ended, lasting_s)
        if phase == MEASURED:
            self.course.window_end_s = begun_s + lasting_s
        ended = self._until("drain", self._has_ended, windows.drain_s + ENDS_WITHIN_S)
        if phase == MEASURED:
            self.course.drain_end_s = monotonic()
        if not ended:
            name = self.scenario.load.engine
            raise CellInterruptedError(
                f"{name} still waits for answers {ENDS_WITHIN_S:.0f} s after its time, and tells "
                "nothing before: use --engine locust here"
            )
        if self.engine.exit_code() != 0:
            how = how_it_ended(self.engine.exit_code() or 0)
            raise CellInterruptedError(f"the load ended ({how}): {self.engine.last_words()}")

    def _has_ended(self) -> bool:
        return self.engine.exit_code() is not None

    def _load_fallen(self) -> str | None:
        """That it ends is what is waited for."""
        return None


def warm_up_s(scenario: Scenario) -> Second:
    return WARM_UP_S + 3 * (scenario.delay_s or 0.0)
