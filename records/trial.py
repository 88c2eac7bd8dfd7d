"""What an audit's --try writes down: which change was tried, and the rounds of both sides."""

from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

__all__ = ["TrialRecord", "TrialRound"]

Side = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class TrialRound:
    """One start of the service and its load. cell: of the run directory, which has the round's
    table `asked`. Times are seconds since the audit's t0."""

    side: Side
    cell: str
    began_s: Second
    ended_s: Second


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """trial: as --try takes it, such as pool=100 or offload=/report. rounds: in the order in which
    they ran, both sides in turn. invalid: why the trial says nothing; None where it does."""

    trial: str
    rounds: tuple[TrialRound, ...] = ()
    invalid: str | None = None
