"""The order of the cells of a run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from analysis.summary.model import CellSummary
from scenarios.errors import UserError
from scenarios.model import Scenario, ServerKind


@dataclass(frozen=True, slots=True)
class ScheduledTrial:
    """trial: counts from 1."""

    scenario: Scenario
    trial: int


class Plan(Protocol):
    """A plan that chooses the next cell."""

    @property
    def length(self) -> int:
        """Maximum number of cells."""

    def choose_next(self, results: Sequence[CellSummary]) -> ScheduledTrial | None:
        """Return the next cell; None ends the run. results: those so far, in the order of the run.
        Raises UserError, CellInterruptedError."""

    def leave_out(
        self, server: ServerKind, results: Sequence[CellSummary], problem: UserError
    ) -> Sequence[str]:
        """Drop the remaining cells of a server that cannot be built, and return the names of their
        scenarios. Raises `problem` if nothing was measured and nothing remains."""


@dataclass(slots=True)
class FixedPlan:
    """A plan with a fixed order."""

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
    """Return one round per trial, each with every scenario once in a new random order.

    Randomised blocks (Fisher, The Design of Experiments, 1935): a drift, such as a machine that
    warms up, affects all scenarios alike, and none always runs after the same other one. Another
    Python version may shuffle differently from the same seed: the manifest has the order.
    unbuilt: names of scenarios whose server must be built first. They end the first round, so that
    a user does not wait minutes for the first row.
    """
    generator = Random(seed)
    turns: list[ScheduledTrial] = []
    for trial in range(1, trials + 1):
        # a single round is a demonstration, not an experiment: its table follows the catalogue
        around = list(scenarios) if trials == 1 else generator.sample(scenarios, len(scenarios))
        if trial == 1:
            around.sort(key=lambda scenario: scenario.name in unbuilt)
        turns += [ScheduledTrial(scenario, trial) for scenario in around]
    return tuple(turns)
