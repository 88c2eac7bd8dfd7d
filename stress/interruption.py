"""How a run is told to end early, and how it says so."""

from dataclasses import dataclass


@dataclass(slots=True)
class Interruption:
    """`reason` is set from a signal handler and read between two looks."""

    reason: str | None = None


class CellInterruptedError(Exception):
    """Ends a cell's phases; what was measured is kept."""
