"""`--live`: a page on loopback beside the run, and what the run writes down for it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.model import Scenario
from stress.conductor import Moment
from stress.interruption import Interruption
from stress.machine import free_port
from stress.plan import HOST, Command
from stress.processes import Process
from stress.readiness import wait_until
from stress.watch import Families
from study.live.state import State, write_state
from study.probe import listens
from study.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
LIVE = "live"
"""The role under which the page's CPU is recorded."""


class Followed:
    """A progress that is told on, and written down for whoever follows the run."""

    def __init__(
        self, progress: Progress, folder: Path, command: str, scenarios: Sequence[Scenario]
    ) -> None:
        self._progress = progress
        self._folder = folder
        self._blocks = {each.name: each.endpoint.blocks_the_loop for each in scenarios}
        self._state = State(command=command)
        self._write(self._state)

    def cell(self, number: int, of: int, folder: Path) -> None:
        self._progress.cell(number, of, folder)
        self._write(replace(self._state, number=number, of=of, cell=folder.name, deaths=0))

    def calibrates(self, scenario: str) -> None:
        self._progress.calibrates(scenario)
        self._write(replace(self._state, scenario=scenario, phase="calibration", left_s=0.0))

    def tell(self, moment: Moment) -> None:
        self._progress.tell(moment)
        self._write(
            replace(
                self._state,
                scenario=moment.scenario,
                phase=moment.phase,
                left_s=moment.left_s,
                deaths=moment.deaths,
                blocks=self._blocks.get(moment.scenario, False),
            )
        )

    def say(self, line: str) -> None:
        self._progress.say(line)
        self._write(replace(self._state, rows=(*self._state.rows, line)))

    def close(self) -> None:
        self._progress.close()
        self._write(replace(self._state, done=True))

    def _write(self, state: State) -> None:
        self._state = state
        write_state(self._folder, state)


@dataclass(frozen=True, slots=True)
class Shown:
    """How a run is shown. `others`: processes that show it, which are watched like all others."""

    progress: Progress
    others: Families


@contextmanager
def shown(
    live: bool, progress: Progress, folder: Path, command: str, scenarios: Sequence[Scenario]
) -> Iterator[Shown]:
    """Closes the progress at the end, and ends the page. Raises Problem if that does not begin."""
    if not live:
        with closing(progress):
            yield Shown(progress, {})
        return
    followed = Followed(progress, folder, command, scenarios)
    with live_page(folder) as page, closing(followed):
        yield Shown(followed, {LIVE: page.family})


@contextmanager
def live_page(folder: Path) -> Iterator[Process]:
    port = free_port(0)
    argv = (sys.executable, "-m", "study.live", str(folder.resolve()), str(port))
    process = Process(Command(LIVE, argv, ROOT, {}), folder / "live.log", os.environ)
    try:
        wait_until(lambda: listens(port), process, Interruption())
        print(f"live: http://{HOST}:{port}/", file=sys.stderr, flush=True)
        yield process
    finally:
        process.end()
