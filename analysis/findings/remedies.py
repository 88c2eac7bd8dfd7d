"""Remedies of a finding: the change, the model's prediction of it, and its trial."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Cure", "CureRule", "FailureChange", "Predicted", "RouteChange", "RouteLevel", "Tried"]

CureRule = Literal[
    "small-pool", "one-blocks-all", "depends", "health", "client-life", "raise-the-pool",
    "gunicorn-timeout", "offload", "second-pool", "background", "cpu", "small-costs",
]  # fmt: skip
"""Rules of the guidance behind cures: their file names without number and extension."""


@dataclass(frozen=True, slots=True)
class Cure:
    """A change of the user's code or of the command that starts it.

    file: relative to the user's folder. line: of the first line of `before`, counted from 1.
    before, after: source lines without line ends, as they are and as they should be; a line may be
    a comment that says what belongs there. trial: the value of --try that measures the change
    without an edit; None if there is none. saves_ms, costs_ms: per request; None if unknown.
    frees_loop: it saves time of the event loop, which other requests get; the request itself may
    take as long as before.
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
    """A route's rps and client latencies. p99_ms: None if too many requests were never answered."""

    route: str
    rps: float
    p50_ms: float
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Predicted:
    """The model's prediction for the audit's load with (before) and without (after) the finding.
    reason: why there is no prediction; then both are empty."""

    users: int
    before: tuple[RouteLevel, ...] = ()
    after: tuple[RouteLevel, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RouteChange:
    """How a trial changed a route. before, after: medians of the rounds' figures. ratio: of the
    median latencies, before to after; more than 1 is better. low, high: its 90 % confidence
    interval over rounds."""

    route: str
    before: RouteLevel
    after: RouteLevel
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FailureChange:
    """Shares of a route's requests that failed or were not answered, over all rounds. Every round
    of one side has a larger share than every round of the other."""

    route: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of a trial. trial: the value of --try; None if no trial concerns the finding.
    rounds: per side. reason: why the trial is invalid, or why there is none; then `routes` is
    empty. worse: routes whose interval shows that they became slower. failures: routes whose
    failures changed; with many, they are not in `routes`: the latency of failures says nothing.
    memory_mb: of the service before and after, medians of the rounds; None if they overlap.
    warnings: what may go wrong although the change measures well."""

    trial: str | None
    rounds: int = 0
    routes: tuple[RouteChange, ...] = ()
    worse: tuple[str, ...] = ()
    failures: tuple[FailureChange, ...] = ()
    memory_mb: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
