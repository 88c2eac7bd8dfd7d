"""What a cell is, and what the cells of a run have in common."""

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
    """When a window is to be explained: CPU per request above `cpu_s`, or good answers a second
    outside of what was predicted."""

    cpu_s: Second
    least_ok_rps: float
    most_ok_rps: float

    def is_met(self, cpu_s: Second, ok_rps: float) -> bool:
        return cpu_s > self.cpu_s or not self.least_ok_rps <= ok_rps <= self.most_ok_rps


@dataclass(frozen=True, slots=True)
class CellRun:
    """A resolved scenario, which trial of it, and where it is recorded. `number` is a part of
    each of its requests' ids; never 0, which would make an id of 0. `explain_if`: None never."""

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
    """Load processes on other machines. listen: this machine's address, where they reach the
    measured server and Locust's master; beyond loopback, so can others."""

    expect_workers: int
    listen: str = HOST
    master_port: int = MASTER_PORT
    wait_s: Second = 60.0


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """For a display. left_s: what the plan still allows, at the most."""

    scenario: str
    phase: str
    left_s: Second
    progress: LoadProgress
    deaths: int
    engine: Engine = "locust"


Listener = Callable[[PhaseProgress], None]
TELL_EVERY_S = 0.5
"""Of one phase, so often at the most."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """`port`: of the server, 0 for any. `served`: a stack that its owner started and will end.
    `others`: processes that are watched too, and left alone. `profile`: whether py-spy draws a
    flame graph of each Python server."""

    port: int
    interruption: Interruption
    listener: Listener
    served: Stack | None = None
    distribution: Distribution | None = None
    others: Families = field(default_factory=dict)
    profile: bool = False
    profiles: dict[Alike, Sampled] = field(default_factory=dict)
    """Of servers that were sampled alone, for the cells to come."""

    def announce(self, scenario: str, phase: str) -> None:
        """A phase whose length no plan says."""
        self.listener(PhaseProgress(scenario, phase, 0.0, LoadProgress(), 0))
