"""What a cell says of its own trustworthiness: values with their data. Words: advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.measures.littles_law import LittlesLaw
from analysis.stats.steady_state import Drift
from records.cell import CellRecord
from scenarios.units import Second

Severity = Literal["info", "warning", "error"]
Code = Literal[
    "INTERRUPTED",
    "WORKER_DEATHS",
    "UNFINISHED",
    "COUNTS_DISAGREE",
    "LITTLE_MISMATCH",
    "OVERLOADED",
    "GENERATOR_SATURATED",
    "LOAD_PROCESS_DIED",
    "UPSTREAM_LATE",
    "MACHINE_BUSY",
    "CORES_FULL",
    "OTHER_ENGINE",
    "PROFILED",
    "TOO_SHORT",
    "NOT_STEADY",
    "DESCRIPTORS",
    "JOURNAL_LOST",
    "PROBE_STOPPED",
    "THREADS_LEFT",
]
Data = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Verdict:
    code: Code
    severity: Severity
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of the requests: the window's completions, and who was never answered."""

    completed: int
    unfinished: int
    oldest_unfinished_s: Second | None
    slowest_completed_s: Second | None
    little: LittlesLaw | None
    """None in an open loop, which has no users."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What generator, app and upstream say; contradictions are those that must be zero."""

    contradictions: Mapping[str, int]
    sent: int
    app_received: int | None
    upstream_received: int | None


@dataclass(frozen=True, slots=True)
class Instruments:
    """How generator, upstream and machine did. Shares are of one; None is not known."""

    generator_cpu_percent: tuple[float, ...]
    """The busiest second of each load process, in percent of one core."""
    lateness_p99_ms: float | None
    typical_ms: float | None
    """The median latency: what a late send is to be compared with."""
    load_processes_died: int
    upstream_late_share: float | None
    other_load_cores: float | None
    cores_used: float | None
    """By all processes of this machine together."""
    stolen_cores: float | None
    descriptors_peak: int | None
    descriptor_errors: int
    probe_silent_s: Second | None
    """How long before the window's end, or its own death, a worker's probe was last heard."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """unwarmed: users that the warm-up's limit found without an answer; turn_s: how long it
    takes until everybody was served once, at the measured throughput."""

    window_s: Second
    settles_late: bool
    """The responses came to their level only after a fifth of the window."""
    unwarmed: int
    turn_s: Second | None
    response_drift: Drift | None
    throughput_drift: Drift | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """An open loop: what was offered and what was sustained, requests a second; growth of what
    is under way."""

    offered_rps: float
    sustained_rps: float
    failed_rps: float
    growth_per_s: float
    mean_under_way: float
    random_arrivals: bool
    window_s: Second


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the judgement of a cell rests on."""

    record: CellRecord
    answers: Answers
    counts: RequestCounts
    instruments: Instruments
    steadiness: Steadiness
    backlog: Backlog | None
    """None in a closed loop."""
