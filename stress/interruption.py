"""How a run is told to end early, and how it says so."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from scenarios.units import Second

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

    def poll(self, done: Callable[[], bool], limit_s: Second, every_s: Second = POLL_S) -> bool:
        """Asks until it is so. False when the limit came first. Raises CellInterruptedError."""
        deadline_s = monotonic() + limit_s
        while not done():
            self.check()
            if monotonic() > deadline_s:
                return False
            sleep(every_s)
        return True
