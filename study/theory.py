"""What theory says of the scenarios of a run: calibrated and written down before any load."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psutil

from analysis.summary import Predicted
from analysis.theory.prediction import predicted, system_of
from records.calibration import Calibration
from scenarios.model import Client, Database, Endpoint, Scenario, Server
from scenarios.problems import Problem
from stress.calibrate import calibrate
from stress.interruption import Interruption

Alike = tuple[Endpoint, Server, Client | None, Database | None]
Outcome = Calibration | Problem


@dataclass(frozen=True, slots=True)
class Theory:
    """By the scenario's name; without those that were not wanted or could not be had."""

    calibrations: dict[str, Calibration]
    predictions: dict[str, Predicted]


def warn(line: str) -> None:
    print(f"study: {line}", file=sys.stderr)


def theory_of(
    scenarios: Sequence[Scenario],
    interruption: Interruption,
    tell: Callable[[str], None],
    miss: Callable[[str], None] = warn,
) -> Theory:
    """Of resolved scenarios that are run next. One of which nothing can be said is left out, and
    `miss` is told why: an endpoint that only fails is worth measuring too.

    Raises CellInterruptedError.
    """
    calibrations, predictions = dict[str, Calibration](), dict[str, Predicted]()
    for scenario, outcome in calibrated(scenarios, interruption, tell):
        try:
            found = measured(scenario, outcome)
            database_s = found.wait_s if scenario.database else 0.0
            system = system_of(scenario, found.cpu_s, psutil.cpu_count(), database_s)
        except Problem as problem:
            miss(f"no prediction: {problem}")
            continue
        calibrations[scenario.name] = found
        predictions[scenario.name] = predicted(system, scenario.load)
    return Theory(calibrations, predictions)


def calibrations_of(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> dict[str, Calibration]:
    """Raises Problem where an endpoint does not answer, CellInterruptedError."""
    return {
        scenario.name: measured(scenario, outcome)
        for scenario, outcome in calibrated(scenarios, interruption, tell)
    }


def calibrated(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> Iterator[tuple[Scenario, Outcome]]:
    """Those that differ in load and delay only share a calibration, a vain one too."""
    known = dict[Alike, Outcome]()
    for scenario in scenarios:
        alike = (scenario.endpoint, scenario.server, scenario.client, scenario.database)
        if alike not in known:
            tell(scenario.name)
            try:
                known[alike] = calibrate(scenario, interruption)
            except Problem as problem:
                known[alike] = problem
        yield scenario, known[alike]


def measured(scenario: Scenario, outcome: Outcome) -> Calibration:
    """Raises Problem, with the scenario's name, if that is what came of it."""
    if isinstance(outcome, Problem):
        raise Problem(f"{scenario.name}: {outcome}", outcome.exit_code) from outcome
    return outcome
