"""`--live`: a page on loopback during the run, and the state that the run writes for it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.model import Scenario
from stress.interruption import Interruption
from stress.machine import find_free_port, is_listening
from stress.places import ROOT
from stress.plan import HOST, Command
from stress.processes import Process
from stress.programs import BuildProgress
from stress.resource_monitor import Families
from stress.runtime import PhaseProgress
from study.live.state import LiveState, write_state
from study.progress import ACTIVITIES, ProgressDisplay

LIVE = "live"
"""The role of the page's process in the CPU records."""


class PublishedProgress:
    """A progress display that also writes every step to a file for the live page."""

    def __init__(
        self, progress: ProgressDisplay, folder: Path, command: str, scenarios: Sequence[Scenario]
    ) -> None:
        self._progress = progress
        self._folder = folder
        self._blocks = {each.name: each.endpoint.blocks_the_loop for each in scenarios}
        self._state = LiveState(command=command)
        self._write(self._state)

    def start_cell(self, number: int, of: int, folder: Path) -> None:
        self._progress.start_cell(number, of, folder)
        self._write(replace(self._state, number=number, of=of, cell=folder.name, deaths=0))

    def show_build(self, moment: BuildProgress) -> None:
        self._progress.show_build(moment)
        self._write(replace(self._state, scenario=moment.program, phase="build", left_s=0.0))

    def show_activity(self, activity: str) -> None:
        self._progress.show_activity(activity)

    def show_calibration(self, scenario: str) -> None:
        self._progress.show_calibration(scenario)
        self._write(replace(self._state, scenario=scenario, phase="calibration", left_s=0.0))

    def show_phase(self, moment: PhaseProgress) -> None:
        self._progress.show_phase(moment)
        self._write(
            replace(
                self._state,
                scenario=moment.scenario,
                phase=ACTIVITIES.get(moment.phase, moment.phase),
                left_s=moment.left_s,
                deaths=moment.deaths,
                blocks=self._blocks.get(moment.scenario, False),
            )
        )

    def print_step(self, line: str) -> None:
        self._progress.print_step(line)

    def print_line(self, line: str) -> None:
        self._progress.print_line(line)
        self._write(replace(self._state, rows=(*self._state.rows, line)))

    def close(self) -> None:
        self._progress.close()
        self._write(replace(self._state, done=True))

    def _write(self, state: LiveState) -> None:
        self._state = state
        write_state(self._folder, state)


@dataclass(frozen=True, slots=True)
class RunDisplay:
    """How a run is shown. others: the processes of the display, whose CPU is recorded too."""

    progress: ProgressDisplay
    others: Families


@contextmanager
def open_display(
    live: bool, progress: ProgressDisplay, folder: Path, command: str, scenarios: Sequence[Scenario]
) -> Iterator[RunDisplay]:
    """Close progress and page at the end. Raises UserError if the page cannot start."""
    if not live:
        with closing(progress):
            yield RunDisplay(progress, {})
        return
    followed = PublishedProgress(progress, folder, command, scenarios)
    with serve_live_page(folder) as page, closing(followed):
        yield RunDisplay(followed, {LIVE: page.list_processes})


@contextmanager
def serve_live_page(folder: Path) -> Iterator[Process]:
    port = find_free_port(0)
    argv = (sys.executable, "-m", "study.live", str(folder.resolve()), str(port))
    process = Process(LIVE, folder / "live.log").start(Command(LIVE, argv, ROOT, {}))
    try:
        process.wait_until(lambda: is_listening(port), Interruption())
        print(f"live: http://{HOST}:{port}/", file=sys.stderr, flush=True)
        yield process
    finally:
        process.end()
