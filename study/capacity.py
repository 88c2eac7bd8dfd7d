"""`study capacity`: open-loop steps until the knee is found, then the latencies below it."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.summary.capacity import (
    SHARES,
    build_search_steps,
    choose_next_rate,
    compute_knee,
    name_share_cell,
    name_step,
)
from analysis.summary.model import CellSummary
from scenarios.errors import UserError
from scenarios.model import Scenario, ServerKind
from scenarios.resolution import resolve_scenario
from scenarios.settings import ARRIVAL_RATES
from study.machine_facts import detect_resources
from study.predictions import Predictor
from study.run import RunOptions, finish_run, run_plan
from study.schedule import Plan, ScheduledTrial

FASTEST = ARRIVAL_RATES[1]
UNKNOWN_CEILING = 1000.0
FEWEST_ARRIVALS = 5
"""In a step's window; with hardly any, it shows nothing."""


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """The steps of one scenario, each chosen from the results so far. first: a rate."""

    scenario: Scenario
    first: float
    most_steps: int

    @property
    def length(self) -> int:
        return self.most_steps + len(SHARES)

    def choose_next(self, results: Sequence[CellSummary]) -> ScheduledTrial | None:
        steps = build_search_steps(results)
        rate = choose_next_rate(steps, self.first, self.most_steps)
        if rate is not None and compute_slowest(self.scenario) <= rate <= FASTEST:
            rate = round_rate(rate)
            return self._build_trial(name_step(self.scenario.name, rate), rate, results)
        return self._choose_share({step.rate for step in steps}, results)

    def leave_out(
        self,
        server: ServerKind,  # noqa: ARG002 - there is only one
        results: Sequence[CellSummary],  # noqa: ARG002
        problem: UserError,
    ) -> Sequence[str]:
        raise problem

    def _choose_share(
        self, measured: set[float], results: Sequence[CellSummary]
    ) -> ScheduledTrial | None:
        """Return the next share of the knee that no step has measured yet."""
        sustained_rps = compute_knee(results).sustained_rps
        if sustained_rps is None:
            return None
        seen = {each.scenario for each in results}
        for share in SHARES:
            name, rate = name_share_cell(self.scenario.name, share), share * sustained_rps
            is_slow = round_rate(rate) < compute_slowest(self.scenario)
            if name not in seen and round_rate(rate) not in measured and not is_slow:
                return self._build_trial(name, round_rate(rate), results)
        return None

    def _build_trial(
        self, name: str, rate: float, results: Sequence[CellSummary]
    ) -> ScheduledTrial:
        load = replace(self.scenario.load, arrival_rate=rate)
        trial = 1 + sum(each.scenario == name for each in results)
        return ScheduledTrial(replace(self.scenario, name=name, load=load), trial)


def round_rate(rate: float) -> float:
    """Round to three digits, because the rate is part of the cell's name."""
    return float(f"{rate:.3g}")


def compute_slowest(scenario: Scenario) -> float:
    return round_rate(FEWEST_ARRIVALS / scenario.load.duration_s)


def choose_first_rate(scenario: Scenario, predictor: Predictor | None) -> float:
    """Return the predicted ceiling, if there is one. Raises CellInterruptedError."""
    predicted = predictor and predictor.compute(scenario, scenario.name)
    ceiling = (predicted and predicted.ceiling_rps) or UNKNOWN_CEILING
    return round_rate(min(max(ceiling, compute_slowest(scenario)), FASTEST))


def find_capacity(
    scenario: Scenario, first: float | None, most_steps: int, port: int, out: Path
) -> int:
    """first: the first rate; None for the predicted ceiling. Raises UserError."""
    settled = resolve_scenario(scenario, detect_resources())
    if first is not None and first < compute_slowest(settled):
        raise UserError(
            f"--first-rate {first:g}/s: fewer than {FEWEST_ARRIVALS} requests in a window of "
            f"{settled.load.duration_s:g} s show nothing; give a higher rate or a longer --duration"
        )
    order = RunOptions(
        name=f"capacity-{scenario.name}",
        trials=1,
        port=port,
        out=out,
        command=shlex.join(["study", *sys.argv[1:]]),
        calibrated=settled,
    )
    searched = {"capacity": {"scenario": scenario.name, "steps": most_steps}}

    def make_plan(predictor: Predictor | None) -> Plan:
        ceiling = choose_first_rate(settled, predictor)
        return CapacityPlan(settled, first or ceiling, most_steps)

    return finish_run(run_plan((settled,), order, searched, None, make_plan), order)
