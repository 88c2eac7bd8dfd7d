"""The progress of a command: a live panel on a terminal, plain lines elsewhere."""

from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from analysis.report.table import WIDTH, shorten, wrap_whole
from records.harmless import make_harmless
from stress.load.command import WAITING
from stress.programs import BuildPrinter, BuildProgress, format_build
from stress.runtime import PhaseProgress
from study.live.follow import CellFollower
from study.live.panel import fit_line, render_panel

PLAIN_EVERY_S, SELDOM_S = 8.0, 60.0
"""A display prints at least every ten seconds, and less often in the log of a long run."""
LONG_S = 300.0
REFRESHES_PER_S = 2
LINE = WIDTH - len(": 1000 s so far")
ACTIVITIES = {
    "start": "starting upstream and server",
    "alone": "measuring the CPU per request of one user alone",
    "save": "stopping the server, saving the records",
}
"""Phases of a cell without a planned length."""


class ProgressDisplay(Protocol):
    def start_cell(self, number: int, of: int, folder: Path) -> None:
        """Show that the next cell starts. folder: where it keeps its raw files."""

    def show_build(self, moment: BuildProgress) -> None:
        """Show that a server is compiled, which can take minutes."""

    def show_activity(self, activity: str) -> None:
        """Show an activity with its seconds so far, until the next call."""

    def show_calibration(self, scenario: str) -> None: ...

    def show_phase(self, moment: PhaseProgress) -> None: ...

    def print_step(self, line: str) -> None:
        """Show an activity whose line stays."""

    def print_line(self, line: str) -> None:
        """Print a row of the result."""

    def close(self) -> None: ...


def get_terminal_width() -> int | None:
    """Return None without a terminal: a row is then one line of any length."""
    return WIDTH if Console().is_terminal else None


def format_calibration(scenario: str) -> str:
    return f"calibrating {scenario}: CPU per request"


def format_phase(moment: PhaseProgress) -> str:
    now = moment.progress
    deaths = f", {moment.deaths} worker deaths" if moment.deaths else ""
    if moment.phase in ACTIVITIES:
        return ACTIVITIES[moment.phase]
    if moment.phase == WAITING:
        return f"{now.ready} connected"
    if moment.engine != "locust":
        return f"{moment.engine} generates the load and reports at its end{deaths}"
    return (
        f"{now.users} users, {now.completed} answered, {now.failed} failed, "
        f"{now.in_flight} waiting{deaths}"
    )


class QuietDisplay:
    def start_cell(self, number: int, of: int, folder: Path) -> None: ...

    def show_build(self, moment: BuildProgress) -> None: ...

    def show_activity(self, activity: str) -> None: ...

    def show_calibration(self, scenario: str) -> None: ...

    def show_phase(self, moment: PhaseProgress) -> None: ...

    def print_step(self, line: str) -> None: ...

    def print_line(self, line: str) -> None: ...

    def close(self) -> None: ...


class PlainDisplay:
    """For logs and pipes: a line for each step, repeated while it lasts. Result rows go to stdout,
    unless `rows` is False, everything else to stderr."""

    def __init__(self, *, rows: bool = True) -> None:
        self._rows = rows
        self._phase = ""
        self._shown_s = 0.0
        self._of = ""
        self._errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._print_build = BuildPrinter()
        self._over = Event()

    def start_cell(self, number: int, of: int, folder: Path) -> None:  # noqa: ARG002
        self._of, self._phase = f"[{number}/{of}] ", ""

    def show_build(self, moment: BuildProgress) -> None:
        self._over.set()
        self._print_build(moment)

    def show_activity(self, activity: str) -> None:
        line = make_harmless(f"{self._of}{activity}")
        self._errors.print(line)
        self._over.set()
        self._over = Event()
        Thread(target=self._repeat, args=(line, self._over), daemon=True).start()

    def _repeat(self, line: str, over: Event) -> None:
        begun_s, lasts_s = monotonic(), 0.0
        while not over.wait(PLAIN_EVERY_S if lasts_s < LONG_S else SELDOM_S):
            lasts_s = monotonic() - begun_s
            self._errors.print(f"{shorten(line, LINE)}: {lasts_s:.0f} s so far")

    def show_calibration(self, scenario: str) -> None:
        self.show_activity(format_calibration(scenario))

    def show_phase(self, moment: PhaseProgress) -> None:
        new = moment.phase != self._phase
        self._phase = moment.phase
        text = f"{moment.scenario} {moment.phase}: {format_phase(moment)}"
        if moment.phase in ACTIVITIES:
            if new:
                self.show_activity(text)
        elif new or monotonic() - self._shown_s >= PLAIN_EVERY_S:
            self._over.set()
            self._shown_s = monotonic()
            self._errors.print(f"{self._of}{text}")

    def print_step(self, line: str) -> None:
        self.show_activity(line)

    def print_line(self, line: str) -> None:
        self._over.set()
        if self._rows:
            print(line, flush=True)

    def close(self) -> None:
        self._over.set()


class ElapsedLine:
    """A line with the seconds since its creation at each rendering."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._begun_s = monotonic()

    def __rich__(self) -> Text:
        return Text(fit_line(f"{self.text}: {monotonic() - self._begun_s:.0f} s"), style="bold")


class TerminalDisplay:
    """A changing panel below the permanent rows. rows: print them here."""

    def __init__(self, console: Console, *, rows: bool = True) -> None:
        self._console, self._rows = console, rows
        self._live = Live(
            console=console, transient=True, refresh_per_second=REFRESHES_PER_S,
            redirect_stdout=rows,
        )  # fmt: skip
        self._live.start()
        self._of = ""
        self._follower: CellFollower | None = None

    def start_cell(self, number: int, of: int, folder: Path) -> None:
        self._of = f"{number}/{of} "
        self._follower = CellFollower(folder / "raw")

    def show_build(self, moment: BuildProgress) -> None:
        if moment.state == "ended":
            self._console.print(format_build(moment))
        else:
            self._live.update(fit_line(format_build(moment)))

    def show_activity(self, activity: str) -> None:
        shown = self._live.renderable
        text = f"{self._of}{activity}"
        if not isinstance(shown, ElapsedLine) or shown.text != text:
            self._live.update(ElapsedLine(text), refresh=True)

    def show_calibration(self, scenario: str) -> None:
        self.show_activity(format_calibration(scenario))

    def show_phase(self, moment: PhaseProgress) -> None:
        if moment.phase in ACTIVITIES or moment.phase == WAITING or self._follower is None:
            self.show_activity(f"{moment.scenario}: {format_phase(moment)}")
            return
        deaths = f", {moment.deaths} worker deaths" if moment.deaths else ""
        if moment.engine != "locust":
            deaths = f", by {moment.engine}{deaths}"
        left = f"{moment.phase}, {max(0.0, moment.left_s):.0f} s left{deaths}"
        head = f"{self._of}{moment.scenario}: {left}"
        self._live.update(render_panel(head, self._follower.try_sample()), refresh=True)

    def print_step(self, line: str) -> None:
        self._console.print("\n".join(wrap_whole(line)), soft_wrap=True)
        self._live.update(ElapsedLine("  so far"), refresh=True)

    def print_line(self, line: str) -> None:
        if self._rows:
            self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()


def choose_display(quiet: bool, *, rows: bool = True) -> ProgressDisplay:
    """Without `rows` everything goes to stderr; the caller uses stdout."""
    if quiet:
        return QuietDisplay()
    console = Console(stderr=not rows, highlight=False, markup=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return TerminalDisplay(console, rows=rows)
    return PlainDisplay(rows=rows)
