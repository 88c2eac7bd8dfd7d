"""One app of the corpus under one detector: the requests, the reports, and the true durations of
the work."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from tests.corpus.client import ask, ask_for
from tests.corpus.labels import Asking, CorpusApp
from tests.corpus.matching import Match, Report, match_reports
from tests.corpus.serve import measure_taken, read_work

PING = Asking("GET", "/ping")
PING_EVERY_S = 0.05
GRACE_S = 0.5
"""Wait after each route, until its remaining work ends and its reports arrive."""


@dataclass(frozen=True, slots=True)
class Trial:
    """asked_s: seconds of requests to each route alone. folder: a new one for this trial."""

    app: CorpusApp
    users: int
    python: Path
    loop: str
    asked_s: float
    folder: Path

    @property
    def times(self) -> Path:
        return self.folder / "times"


class Detector(Protocol):
    @property
    def name(self) -> str: ...

    def detect(self, trial: Trial) -> list[Report]:
        """Raises RuntimeError if it or the app does not start, or does not end in time."""
        ...


@dataclass(frozen=True, slots=True)
class AskedAlone:
    """The time during which no other blocking route got requests."""

    route: str
    began_s: float
    ended_s: float


def run_trial(detector: Detector, trial: Trial) -> Match:
    trial.folder.mkdir(parents=True)
    reports = detector.detect(trial)
    work = read_work(trial.times)
    taken = {
        label.name: measure_taken(
            work[label.name], label.cause, work.get(f"{label.name}-briefly", ())
        )
        for label in trial.app.blocking
        if label.name in work
    }
    return match_reports(trial.app, reports, taken)


def ask_all(port: int, trial: Trial) -> list[AskedAlone]:
    """Send requests to each route alone; with several users, also bystander requests to /ping."""
    asked = []
    with ask_in_background(port) if trial.users > 1 else ExitStack():
        for label in trial.app.labels:
            if label.asking is None or label.route is None:
                continue
            began_s = monotonic()
            ask_for(port, label.asking, trial.users, trial.asked_s)
            Event().wait(GRACE_S)
            asked.append(AskedAlone(label.route, began_s, monotonic()))
    return asked


@contextmanager
def ask_in_background(port: int) -> Iterator[None]:
    done = Event()

    def repeat() -> None:
        while not done.wait(PING_EVERY_S):
            ask(port, PING)

    thread = Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def keep_cores_busy(count: int) -> Iterator[None]:
    """Run processes that only compute."""
    code = "while True: pass"
    processes = [subprocess.Popen((sys.executable, "-c", code)) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def find_route(asked: Sequence[AskedAlone], at_s: float) -> str | None:
    """Return the route that got requests alone at that time."""
    return next((each.route for each in asked if each.began_s <= at_s <= each.ended_s), None)
