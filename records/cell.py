"""What is known of a cell apart from its tables: scenario, phases, deaths, conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from records.audit import AttachedProcess
from records.clocks import ClockModel
from records.cpu_profile import CpuProfile
from records.pauses import Pause
from scenarios.model import Scenario
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Phases:
    """Moments since t0; None where the cell did not come so far.

    steady: every user completed a request sent after the ramp before the warm-up's limit.
    """

    ramp_end_s: Second | None = None
    window_start_s: Second | None = None
    window_end_s: Second | None = None
    drain_end_s: Second | None = None
    steady: bool = True
    profile_end_s: Second | None = None
    """Until then the users went on after the window's end, for the server to be sampled; None where
    they did not. The drain follows."""


BY_SERVER = "killed by"
"""A cause that begins so: the server took the worker for dead, whose event loop did not respond."""


@dataclass(frozen=True, slots=True)
class WorkerDeath:
    at_s: Second
    pid: int
    cause: str


ROUND_S = 2.0
"""gunicorn looks at its workers once a second: those it kills within this long die together."""


def find_death_rounds(deaths: Sequence[WorkerDeath]) -> list[Second]:
    """When each round of deaths was over: of several workers all may die at once."""
    rounds: list[Second] = []
    for at_s in sorted(death.at_s for death in deaths):
        if rounds and at_s - rounds[-1] < ROUND_S:
            rounds[-1] = at_s
        else:
            rounds.append(at_s)
    return rounds


@dataclass(frozen=True, slots=True)
class UpstreamSummary:
    """What the upstream said of itself at the end of the cell."""

    implementation: str
    received: int
    served: int
    errors: int
    dropped: int
    in_flight_peak: int
    asked_ms_mean: float | None
    late_ms_mean: float | None
    late_ms_max: float | None


@dataclass(frozen=True, slots=True)
class Profile:
    """That the server was profiled: its `profile.svg` is here too, or why there is none."""

    fault: str | None


@dataclass(frozen=True, slots=True)
class CellRecord:
    """interrupted: why the cell did not run to its end, else None.

    t0_s is time.monotonic() of the host; everything else counts from it.
    """

    name: str
    scenario: Scenario
    trial: int
    cell_number: int
    t0_s: Second
    started_utc: str
    phases: Phases
    cycles_planned: int | None
    warm_up_limit_s: Second
    drain_limit_s: Second
    deaths: tuple[WorkerDeath, ...]
    users_spawned: int
    requests_sent: int
    descriptors_limit: int
    load_timeout_s: Second
    commands: dict[str, list[str]]
    processes: tuple[AttachedProcess, ...] = ()
    """Of the server, as they report themselves; a compiled server's do not."""
    overhead_s: Second = 0.0
    """Starting and ending everything; the cell's whole time without ramp to drain."""
    turn_s: Second | None = None
    """Where the plan leaves the warm-up out: how long it takes at least, after the ramp, until each
    user is served once, which is longer than any warm-up."""
    threads_left: int = 0
    """Threads of pool and executor that a held-up server still had from earlier runs."""
    journals_lost: tuple[str, ...] = ()
    upstream: UpstreamSummary | None = None
    profile: Profile | None = None
    cpu_profile: CpuProfile | None = None
    """None where nothing was to be explained."""
    cores: int | None = None
    faults: dict[str, int] = field(default_factory=dict)
    """Requests of the window without an answer that are no rows, by the load's own words."""
    database: str | None = None
    """Its version, and whether it was embedded or given."""
    clocks: tuple[ClockModel, ...] = ()
    """Of load processes on other machines; their times are in the tables by this host's clock."""
    load_processes_lost: int = 0
    """Load processes that fell silent before the end, as their master saw it."""
    pauses: tuple[Pause, ...] = ()
    interrupted: str | None = None
    log_faults: tuple[str, ...] = field(default=())
    """Lines of the server's or the upstream's log that tell of a lack of file descriptors."""
