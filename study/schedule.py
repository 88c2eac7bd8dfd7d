"""When each cell of a run has its turn."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from analysis.summary.model import CellSummary
from scenarios.errors import UserError
from scenarios.model import Scenario, ServerKind


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

    def leave_out(
        self, server: ServerKind, results: Sequence[CellSummary], problem: UserError
    ) -> Sequence[str]:
        """Drops what is still to come of a server that can't be built, and returns the names of
        those scenarios. Raises `problem` where nothing was measured and nothing is left."""


@dataclass(slots=True)
class FixedPlan:
    """What comes when is settled before the first cell."""

    turns: tuple[ScheduledTrial, ...]

    @property
    def length(self) -> int:
        return len(self.turns)

    def choose_next(self, results: Sequence[CellSummary]) -> ScheduledTrial | None:
        return self.turns[len(results)] if len(results) < len(self.turns) else None

    def leave_out(
        self, server: ServerKind, results: Sequence[CellSummary], problem: UserError
    ) -> Sequence[str]:
        measured, coming = self.turns[: len(results)], self.turns[len(results) :]
        dropped = [turn for turn in coming if turn.scenario.server.kind == server]
        self.turns = (*measured, *(turn for turn in coming if turn not in dropped))
        if not self.turns:
            raise problem
        return list(dict.fromkeys(turn.scenario.name for turn in dropped))


def schedule_trials(
    scenarios: Sequence[Scenario], trials: int, seed: int, unbuilt: Collection[str] = ()
) -> tuple[ScheduledTrial, ...]:
    """A round for each trial, which holds every scenario once, shuffled anew.

    Randomised blocks (Fisher, The Design of Experiments, 1935): what drifts, such as a machine
    that grows warm, touches all scenarios alike, and none always runs in the wake of the same
    other one. Another Python may shuffle otherwise from the same seed: the manifest has the order.
    `unbuilt`: names of scenarios whose server must be built first. They end the first round: a user
    does not wait some minutes for the first row.
    """
    generator = Random(seed)
    turns: list[ScheduledTrial] = []
    for trial in range(1, trials + 1):
        # a single round is a demonstration, no experiment: its table reads as the catalogue
        around = list(scenarios) if trials == 1 else generator.sample(scenarios, len(scenarios))
        if trial == 1:
            around.sort(key=lambda scenario: scenario.name in unbuilt)
        turns += [ScheduledTrial(scenario, trial) for scenario in around]
    return tuple(turns)
