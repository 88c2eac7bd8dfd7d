"""A cell of a run, and the settings that all cells of a run share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import randbelow

from records.rundir import CellDir
from scenarios.model import Engine, Scenario
from scenarios.units import Second
from stress.cpu_sampler import Alike, Sampled
from stress.interruption import Interruption
from stress.load.protocol import LoadProgress
from stress.plan import HOST, WindowPlan, plan_windows
from stress.resource_monitor import Families
from stress.stack import Stack

MASTER_PORT = 5557


@dataclass(frozen=True, slots=True)
class ExplainIf:
    """Condition to explain a window: CPU per request above `cpu_s`, or successful responses per
    second outside the predicted range."""

    cpu_s: Second
    least_ok_rps: float
    most_ok_rps: float

    def is_met(self, cpu_s: Second, ok_rps: float) -> bool:
        return cpu_s > self.cpu_s or not self.least_ok_rps <= ok_rps <= self.most_ok_rps


@dataclass(frozen=True, slots=True)
class CellRun:
    """A trial of a resolved scenario, and its directory. number: part of every request id; never 0,
    because an id of 0 means unknown. explain_if: None never explains."""

    scenario: Scenario
    trial: int
    directory: CellDir
    number: int = field(default_factory=lambda: 1 + randbelow(0xFFFF))
    explain_if: ExplainIf | None = None

    @property
    def windows(self) -> WindowPlan:
        return plan_windows(self.scenario)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Load processes on other machines. listen: the address of this machine at which they reach the
    server and Locust's master. Any address but loopback is open to other users of the network."""

    expect_workers: int
    listen: str = HOST
    master_port: int = MASTER_PORT
    wait_s: Second = 60.0


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """Progress for a display. left_s: the maximum remaining time in the plan."""

    scenario: str
    phase: str
    left_s: Second
    progress: LoadProgress
    deaths: int
    engine: Engine = "locust"


Listener = Callable[[PhaseProgress], None]
TELL_EVERY_S = 0.5
"""Shortest interval between two reports of a phase."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """port: the server's; 0 picks one. served: a stack that its owner started and will stop.
    others: further processes to sample. profile: py-spy records a flame graph of each Python
    server."""

    port: int
    interruption: Interruption
    listener: Listener
    served: Stack | None = None
    distribution: Distribution | None = None
    others: Families = field(default_factory=dict)
    profile: bool = False
    profiles: dict[Alike, Sampled] = field(default_factory=dict)
    """Profiles of servers sampled alone, for later cells."""

    def announce(self, scenario: str, phase: str) -> None:
        """Report a phase of unknown length."""
        self.listener(PhaseProgress(scenario, phase, 0.0, LoadProgress(), 0))
