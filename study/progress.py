"""What is shown while a run goes on: a live line on a terminal, plain lines elsewhere."""

from pathlib import Path
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.live import Live

from stress.conductor import Moment
from stress.gathering import WAITING
from study.live.follow import Follower
from study.live.panel import panel

PLAIN_EVERY_S = 10.0


class Progress(Protocol):
    def cell(self, number: int, of: int, folder: Path) -> None:
        """The next cell begins, and will keep its raw files under `folder`."""

    def calibrates(self, scenario: str) -> None: ...

    def tell(self, moment: Moment) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


def sentence(moment: Moment) -> str:
    now = moment.progress
    deaths = f", {moment.deaths} worker deaths" if moment.deaths else ""
    if moment.phase == "start":
        return "starting upstream and server"
    if moment.phase == WAITING:
        return f"{now.ready} have come"
    if moment.engine != "locust":
        return f"{moment.engine} makes the load, and tells at its end{deaths}"
    return (
        f"{now.users} users, {now.completed} answered, {now.failed} failed, "
        f"{now.in_flight} open{deaths}"
    )


class Quiet:
    def cell(self, number: int, of: int, folder: Path) -> None: ...

    def calibrates(self, scenario: str) -> None: ...

    def tell(self, moment: Moment) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


CALIBRATION = "what does one request cost by itself?"


class Plain:
    """For logs and pipes: a line for each phase, and one now and then. Rows go to stdout, the
    rest to stderr."""

    def __init__(self) -> None:
        self._phase = ""
        self._told_s = 0.0
        self._of = ""
        self._errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def cell(self, number: int, of: int, folder: Path) -> None:  # noqa: ARG002
        self._of, self._phase = f"{number}/{of}", ""

    def calibrates(self, scenario: str) -> None:
        self._errors.print(f"[calibration] {scenario}: {CALIBRATION}")

    def tell(self, moment: Moment) -> None:
        new = moment.phase != self._phase
        if new or monotonic() - self._told_s >= PLAIN_EVERY_S:
            self._phase, self._told_s = moment.phase, monotonic()
            line = f"[{self._of}] {moment.scenario} {moment.phase}: {sentence(moment)}"
            self._errors.print(line)

    def say(self, line: str) -> None:
        print(line, flush=True)

    def close(self) -> None: ...


class Terminal:
    """A panel that changes, below the rows that stay."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._live.start()
        self._of = ""
        self._follower: Follower | None = None

    def cell(self, number: int, of: int, folder: Path) -> None:
        self._of = f"{number}/{of}"
        self._follower = Follower(folder / "raw")

    def calibrates(self, scenario: str) -> None:
        self._live.update(f"calibration, {scenario}: {CALIBRATION}", refresh=True)

    def tell(self, moment: Moment) -> None:
        if moment.phase in ("start", WAITING) or self._follower is None:
            head, look = f"{self._of} {moment.scenario}: {sentence(moment)}", None
        else:
            deaths = f", {moment.deaths} worker deaths" if moment.deaths else ""
            if moment.engine != "locust":
                deaths = f", by {moment.engine}{deaths}"
            left = f"{moment.phase}, {max(0.0, moment.left_s):.0f} s left{deaths}"
            head, look = f"{self._of} {moment.scenario}: {left}", self._follower.tried()
        self._live.update(panel(head, look), refresh=True)

    def say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()


def progress_for(quiet: bool) -> Progress:
    if quiet:
        return Quiet()
    return Terminal() if Console().is_terminal else Plain()
