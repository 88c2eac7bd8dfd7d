"""Interrupts a run early, and records the reason."""

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
    signal.SIGHUP: "the terminal closed",
}
POLL_S = 0.05


class CellInterruptedError(Exception):
    """An interruption that ends a cell's phases; the measurements so far are kept."""


@dataclass(slots=True)
class Interruption:
    """The reason to stop: a signal handler sets it, and the run checks it between steps."""

    reason: str | None = None

    def check(self) -> None:
        """Raise CellInterruptedError if the run was interrupted."""
        if self.reason is not None:
            raise CellInterruptedError(self.reason)

    def wait(self) -> None:
        """Sleep for POLL_S."""
        sleep(POLL_S)

    def poll(self, done: Callable[[], bool], limit_s: Second, every_s: Second = POLL_S) -> bool:
        """Poll until `done`; return False at the limit. Raises CellInterruptedError."""
        deadline_s = monotonic() + limit_s
        while not done():
            self.check()
            if monotonic() > deadline_s:
                return False
            sleep(every_s)
        return True


@contextmanager
def record_signals() -> Iterator[Interruption]:
    """Record Ctrl-C, SIGTERM and SIGHUP for the run to check, so that they tear nothing. The old
    handlers return after the `with`."""
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
