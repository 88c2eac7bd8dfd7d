"""What takes a finding away: the change of the code, what the model says of it, and what a trial of
it measured."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Cure", "CureRule", "FailureChange", "Predicted", "RouteChange", "RouteLevel", "Tried"]

CureRule = Literal[
    "small-pool", "one-blocks-all", "depends", "health", "client-life", "raise-the-pool",
    "gunicorn-timeout", "offload", "second-pool", "background", "cpu", "small-costs",
]  # fmt: skip
"""Rules of the guidance that cures rest on, by their file's name without number and ending."""


@dataclass(frozen=True, slots=True)
class Cure:
    """A change of the user's code, or of what starts it.

    file: relative to the user's folder. line: of the first line of `before`, counted from 1.
    before, after: source lines as they are and as they should be, without their ends; a line may be
    a comment that says what belongs there. trial: what --try takes to measure the change without an
    edit; None where nothing does. saves_ms, costs_ms: in each request; None where they are
    not known. frees_loop: what it saves is time of the event loop, which other requests get; the
    request itself may take as long as before.
    """

    file: str | None
    line: int | None
    before: tuple[str, ...]
    after: tuple[str, ...]
    reason: str
    rule: CureRule | None = None
    trial: str | None = None
    saves_ms: float | None = None
    costs_ms: float | None = None
    frees_loop: bool = False


@dataclass(frozen=True, slots=True)
class RouteLevel:
    """How a route answers: requests in a second, and how long they take for their client. p99_ms:
    None where too many were never answered."""

    route: str
    rps: float
    p50_ms: float
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model says of the audit's load with and without the finding. reason: why the model
    does not know it; then both are empty."""

    users: int
    before: tuple[RouteLevel, ...] = ()
    after: tuple[RouteLevel, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RouteChange:
    """How a trial changed a route. before, after: medians of the rounds' figures. ratio: of the
    medians of latency, before to after: more than 1 is better. low, high: its 90 % interval, from
    rounds."""

    route: str
    before: RouteLevel
    after: RouteLevel
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FailureChange:
    """Shares of a route's requests that failed or were not answered, of all rounds together; each
    round of one side has a larger share than each of the other."""

    route: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial measured. trial: as --try takes it. rounds: of each side. reason: why it is no
    trial of this finding, or is invalid; then `routes` is empty. worse: routes that became slower,
    for which the interval leaves no doubt. failures: routes that fail more, or less, than before; a
    route that fails more is not in `routes`, because the latency of its failures says nothing.
    memory_mb: of the service before and after, medians of the rounds; None where they overlap.
    warnings: what may go wrong with the change though it measures well."""

    trial: str | None
    rounds: int = 0
    routes: tuple[RouteChange, ...] = ()
    worse: tuple[str, ...] = ()
    failures: tuple[FailureChange, ...] = ()
    memory_mb: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
