"""What is shown while a run goes on: a live line on a terminal, plain lines elsewhere."""

from pathlib import Path
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.live import Live

from analysis.report.table import WIDTH
from stress.load.command import WAITING
from stress.programs import BuildProgress, print_build
from stress.runtime import PhaseProgress
from study.live.follow import CellFollower
from study.live.panel import render_panel

PLAIN_EVERY_S = 10.0


class ProgressDisplay(Protocol):
    def start_cell(self, number: int, of: int, folder: Path) -> None:
        """The next cell begins, and will keep its raw files under `folder`."""

    def show_build(self, moment: BuildProgress) -> None:
        """A server is compiled, which takes up to some minutes."""

    def show_calibration(self, scenario: str) -> None: ...

    def show_phase(self, moment: PhaseProgress) -> None: ...

    def print_line(self, line: str) -> None: ...

    def close(self) -> None: ...


def get_terminal_width() -> int | None:
    """None elsewhere: there a row is one line, however long its name."""
    return WIDTH if Console().is_terminal else None


def format_phase(moment: PhaseProgress) -> str:
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


class QuietDisplay:
    def start_cell(self, number: int, of: int, folder: Path) -> None: ...

    def show_build(self, moment: BuildProgress) -> None:
        print_build(moment)

    def show_calibration(self, scenario: str) -> None: ...

    def show_phase(self, moment: PhaseProgress) -> None: ...

    def print_line(self, line: str) -> None: ...

    def close(self) -> None: ...


def format_build(moment: BuildProgress) -> str:
    if moment.state == "ended":
        return f"built {moment.program} in {moment.since_s:.0f} s"
    last_words = f" ({moment.last_words})" if moment.last_words else ""
    return f"building {moment.program}, once: {moment.since_s:.0f} s so far{last_words}"


CALIBRATION = "what does one request cost by itself?"


class PlainDisplay:
    """For logs and pipes: a line for each phase, and one now and then. Rows go to stdout, the
    rest to stderr."""

    def __init__(self) -> None:
        self._phase = ""
        self._told_s = 0.0
        self._of = ""
        self._errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def start_cell(self, number: int, of: int, folder: Path) -> None:  # noqa: ARG002
        self._of, self._phase = f"{number}/{of}", ""

    def show_build(self, moment: BuildProgress) -> None:
        if moment.state != "goes on" or monotonic() - self._told_s >= PLAIN_EVERY_S:
            self._told_s = monotonic()
            self._errors.print(f"[build] {format_build(moment)}")

    def show_calibration(self, scenario: str) -> None:
        self._errors.print(f"[calibration] {scenario}: {CALIBRATION}")

    def show_phase(self, moment: PhaseProgress) -> None:
        new = moment.phase != self._phase
        if new or monotonic() - self._told_s >= PLAIN_EVERY_S:
            self._phase, self._told_s = moment.phase, monotonic()
            line = f"[{self._of}] {moment.scenario} {moment.phase}: {format_phase(moment)}"
            self._errors.print(line)

    def print_line(self, line: str) -> None:
        print(line, flush=True)

    def close(self) -> None: ...


class TerminalDisplay:
    """A panel that changes, below the rows that stay."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._live.start()
        self._of = ""
        self._follower: CellFollower | None = None

    def start_cell(self, number: int, of: int, folder: Path) -> None:
        self._of = f"{number}/{of}"
        self._follower = CellFollower(folder / "raw")

    def show_build(self, moment: BuildProgress) -> None:
        if moment.state == "ended":
            self.print_line(format_build(moment))
        else:
            self._live.update(format_build(moment), refresh=True)

    def show_calibration(self, scenario: str) -> None:
        self._live.update(f"calibration, {scenario}: {CALIBRATION}", refresh=True)

    def show_phase(self, moment: PhaseProgress) -> None:
        if moment.phase in ("start", WAITING) or self._follower is None:
            head, look = f"{self._of} {moment.scenario}: {format_phase(moment)}", None
        else:
            deaths = f", {moment.deaths} worker deaths" if moment.deaths else ""
            if moment.engine != "locust":
                deaths = f", by {moment.engine}{deaths}"
            left = f"{moment.phase}, {max(0.0, moment.left_s):.0f} s left{deaths}"
            head, look = f"{self._of} {moment.scenario}: {left}", self._follower.try_sample()
        self._live.update(render_panel(head, look), refresh=True)

    def print_line(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()


def choose_display(quiet: bool) -> ProgressDisplay:
    if quiet:
        return QuietDisplay()
    return TerminalDisplay() if Console().is_terminal else PlainDisplay()
