"""The record of an audit's --try: the change that was tried, and the rounds of both sides."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from scenarios.errors import UserError
from scenarios.units import Second

__all__ = ["Trial", "TrialKind", "TrialRecord", "TrialRound", "parse_trial"]

Side = Literal["before", "after"]
TrialKind = Literal["pool", "executor", "offload", "loop", "workers"]
LEAST_OF_EACH = 3
"""Rounds per side; with fewer, chance alone separates the sides too often."""
MOST: dict[TrialKind, int] = {"pool": 10_000, "executor": 10_000, "workers": 64}
LOOPS = ("uvloop",)
NUMBER = re.compile(r"[0-9]{1,9}")
ROUTE = re.compile(r"/[^\x00-\x20\x7f?#\ud800-\udfff]*")
"""Has no query, which is not part of a route."""
HOW = "pool=100, executor=64, workers=4, loop=uvloop, or offload=/ROUTE"


@dataclass(frozen=True, slots=True)
class Trial:
    """A change to how the service runs, such as pool=100."""

    kind: TrialKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}={self.value}"


@dataclass(frozen=True, slots=True)
class TrialRound:
    """One start of the service with its load. cell: the run directory's cell with the round's table
    `asked`. began_s, ended_s: when users sent requests, in seconds since the audit's t0. memory_mb:
    private memory of all processes after the round; None if unknown."""

    side: Side
    cell: str
    began_s: Second
    ended_s: Second
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """trial: the value of --try, such as pool=100 or offload=/report. rounds: in the order in which
    they ran, alternating between the sides. invalid: why the trial is inconclusive, else None.
    warnings: what may go wrong in the service although it measures well. Both are clauses."""

    trial: str
    rounds: tuple[TrialRound, ...] = ()
    invalid: str | None = None
    warnings: tuple[str, ...] = ()


def parse_trial(text: str) -> Trial:
    """Parse the value of --try. Raises UserError."""
    kind, mark, value = text.partition("=")
    known = next((each for each in get_args(TrialKind) if each == kind), None)
    if known is None or not mark:
        raise UserError(f"--try {text!r}: give {HOW}")
    if known in MOST:
        if not NUMBER.fullmatch(value) or not 1 <= int(value) <= MOST[known]:
            raise UserError(f"--try {text!r}: give a whole number from 1 to {MOST[known]:,}")
        value = str(int(value))
    elif known == "loop" and value not in LOOPS:
        raise UserError(f"--try {text!r}: give loop={' or loop='.join(LOOPS)}")
    elif known == "offload" and not ROUTE.fullmatch(value):
        raise UserError(f"--try {text!r}: give a route that begins with /, such as offload=/report")
    return Trial(known, value)
