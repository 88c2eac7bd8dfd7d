"""The record of a cell next to its tables: scenario, phases, worker deaths, conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from records.audit import AttachedProcess
from records.clocks import ClockModel
from records.cpu_profile import CpuProfile
from records.pauses import InstrumentPause
from scenarios.model import MOST_USERS, Scenario
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Phases:
    """Times since t0; None if the cell stopped earlier.

    steady: within the warm-up's limit, every user completed a request sent after the ramp.
    """

    ramp_end_s: Second | None = None
    window_start_s: Second | None = None
    window_end_s: Second | None = None
    drain_end_s: Second | None = None
    steady: bool = True
    profile_end_s: Second | None = None
    """The load continued until then, after the window, to profile the server; None without a
    profile. The drain follows."""

    def __post_init__(self) -> None:
        """Raises ValueError for phases in another order."""
        ends = self.ramp_end_s, self.window_start_s, self.window_end_s, self.profile_end_s
        known = [each for each in (0.0, *ends, self.drain_end_s) if each is not None]
        if known != sorted(known):
            raise ValueError("its phases end in another order than ramp, warm-up, window, drain")


BY_SERVER = "killed by"
"""Start of a cause: the server killed the worker because its event loop was unresponsive."""
BY_GUNICORN = f"{BY_SERVER} gunicorn: its event loop was blocked too long"
BY_GUNICORN_ONCE = f"{BY_SERVER} gunicorn: its loop was silent too long"
"""The same in older records."""


@dataclass(frozen=True, slots=True)
class WorkerDeath:
    at_s: Second
    pid: int
    cause: str


ROUND_S = 2.0
"""gunicorn checks its workers once per second: workers killed within this time died together."""


def find_death_rounds(deaths: Sequence[WorkerDeath]) -> list[Second]:
    """Return the end of each round of deaths: several workers may die at once."""
    rounds: list[Second] = []
    for at_s in sorted(death.at_s for death in deaths):
        if rounds and at_s - rounds[-1] < ROUND_S:
            rounds[-1] = at_s
        else:
            rounds.append(at_s)
    return rounds


@dataclass(frozen=True, slots=True)
class UpstreamSummary:
    """The upstream's own statistics at the end of the cell."""

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
    """The server was profiled. fault: why there is no `profile.svg`; None if there is one."""

    fault: str | None


@dataclass(frozen=True, slots=True)
class CellRecord:
    """interrupted: why the cell stopped early; None if it did not.

    t0_s is time.monotonic() of the host; all other times are relative to it.
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
    """The server's processes, as the probe reports them; empty for a compiled server."""
    overhead_s: Second = 0.0
    """Time to start and stop everything: the whole cell without ramp, warm-up, window and drain."""
    turn_s: Second | None = None
    """If the plan skips the warm-up: the least time after the ramp until every user is served once,
    which is longer than any warm-up."""
    threads_left: int = 0
    """Pool and executor threads that earlier runs left in the same server (`study serve`)."""
    journals_lost: tuple[str, ...] = ()
    upstream: UpstreamSummary | None = None
    profile: Profile | None = None
    cpu_profile: CpuProfile | None = None
    """None if the run did not ask for an explanation."""
    cores: int | None = None
    faults: dict[str, int] = field(default_factory=dict)
    """Counts of unanswered requests in the window that have no row, by the load tool's message."""
    database: str | None = None
    """The database's version, and whether it was embedded or external."""
    clocks: tuple[ClockModel, ...] = ()
    """Clocks of load processes on other machines; the tables use this host's time."""
    load_processes_lost: int = 0
    """Number of load processes that stopped responding to their master before the end."""
    pauses: tuple[InstrumentPause, ...] = ()
    """When the runner, load processes or the machine did not run."""
    interrupted: str | None = None
    log_faults: tuple[str, ...] = field(default=())
    """Lines in the server's or the upstream's log about missing file descriptors."""

    def __post_init__(self) -> None:
        """Raises ValueError for more users than a run can have: some measures have a value each."""
        if self.scenario.load.users > MOST_USERS:
            raise ValueError(f"{self.scenario.load.users} users are more than a run can have")
