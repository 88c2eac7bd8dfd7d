"""When each cell of a run has its turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from analysis.summary.model import CellSummary
from scenarios.model import Scenario


@dataclass(frozen=True, slots=True)
class ScheduledTrial:
    """`trial` counts from 1."""

    scenario: Scenario
    trial: int


class Plan(Protocol):
    """Which cell comes next."""

    @property
    def length(self) -> int:
        """Cells at the most."""

    def choose_next(self, results: Sequence[CellSummary]) -> ScheduledTrial | None:
        """None ends the run. `results`: of this run so far, in the order in which they ran. Raises
        UserError, CellInterruptedError."""


@dataclass(frozen=True, slots=True)
class FixedPlan:
    """What comes when is settled before the first cell."""

    turns: tuple[ScheduledTrial, ...]

    @property
    def length(self) -> int:
        return len(self.turns)

    def choose_next(self, results: Sequence[CellSummary]) -> ScheduledTrial | None:
        return self.turns[len(results)] if len(results) < len(self.turns) else None


def schedule_trials(
    scenarios: Sequence[Scenario], trials: int, seed: int
) -> tuple[ScheduledTrial, ...]:
    """A round for each trial, which holds every scenario once, shuffled anew.

    Randomised blocks (Fisher, The Design of Experiments, 1935): what drifts, such as a machine
    that grows warm, touches all scenarios alike, and none always runs in the wake of the same
    other one. Another Python may shuffle otherwise from the same seed: the manifest has the order.
    """
    if trials == 1:  # a demonstration, no experiment: in class the table reads as the catalogue
        return tuple(ScheduledTrial(scenario, 1) for scenario in scenarios)
    generator = Random(seed)
    return tuple(
        ScheduledTrial(scenario, trial)
        for trial in range(1, trials + 1)
        for scenario in generator.sample(scenarios, len(scenarios))
    )
