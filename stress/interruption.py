"""How a run is told to end early, and how it says so."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from types import FrameType

from scenarios.units import Second

NAMES = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM",
    signal.SIGHUP: "the terminal went away",
}
POLL_S = 0.05


class CellInterruptedError(Exception):
    """Ends a cell's phases; what was measured is kept."""


@dataclass(slots=True)
class Interruption:
    """`reason` is set from a signal handler and read between two looks."""

    reason: str | None = None

    def check(self) -> None:
        """Raises CellInterruptedError."""
        if self.reason is not None:
            raise CellInterruptedError(self.reason)

    def wait(self) -> None:
        """For a short while."""
        sleep(POLL_S)

    def poll(self, done: Callable[[], bool], limit_s: Second, every_s: Second = POLL_S) -> bool:
        """Asks until it is so. False when the limit came first. Raises CellInterruptedError."""
        deadline_s = monotonic() + limit_s
        while not done():
            self.check()
            if monotonic() > deadline_s:
                return False
            sleep(every_s)
        return True


@contextmanager
def record_signals() -> Iterator[Interruption]:
    """Ctrl-C and SIGTERM become a note that the run reads between two looks; nothing is torn. The
    handlers hold inside the `with`; the old ones come back after it."""
    interruption = Interruption()

    def note(number: int, _: FrameType | None) -> None:
        interruption.reason = interruption.reason or NAMES[signal.Signals(number)]

    heard = (each for each in NAMES if signal.getsignal(each) != signal.SIG_IGN)  # nohup
    before = {each: signal.signal(each, note) for each in heard}
    try:
        yield interruption
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
