"""What theory says of the scenarios of a run: calibrated and written down before any load."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psutil

from analysis.theory.prediction import build_server_model, compute_prediction
from records.calibration import Calibration
from records.prediction import Prediction
from scenarios.errors import UserError
from scenarios.model import Client, Database, Endpoint, Scenario, Server
from stress.calibrate import calibrate
from stress.interruption import Interruption

Alike = tuple[Endpoint, Server, Client | None, Database | None]
Outcome = Calibration | UserError


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """By the scenario's name; without those that were not wanted or could not be had."""

    calibrations: dict[str, Calibration]
    predictions: dict[str, Prediction]


def print_warning(line: str) -> None:
    print(f"study: {line}", file=sys.stderr)


def predict_scenarios(
    scenarios: Sequence[Scenario],
    interruption: Interruption,
    tell: Callable[[str], None],
    miss: Callable[[str], None] = print_warning,
) -> PredictionSet:
    """Of resolved scenarios that are run next. One of which nothing can be said is left out, and
    `miss` is told why: an endpoint that only fails is worth measuring too.

    Raises CellInterruptedError.
    """
    calibrations, predictions = dict[str, Calibration](), dict[str, Prediction]()
    for scenario, outcome in iterate_calibrations(scenarios, interruption, tell):
        try:
            found = require_calibration(scenario, outcome)
            database_s = found.wait_s if scenario.database else 0.0
            system = build_server_model(scenario, found.cpu_s, psutil.cpu_count(), database_s)
        except UserError as problem:
            miss(f"no prediction: {problem}")
            continue
        calibrations[scenario.name] = found
        predictions[scenario.name] = compute_prediction(system, scenario.load)
    return PredictionSet(calibrations, predictions)


def calibrate_scenarios(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> dict[str, Calibration]:
    """Raises UserError where an endpoint does not answer, CellInterruptedError."""
    return {
        scenario.name: require_calibration(scenario, outcome)
        for scenario, outcome in iterate_calibrations(scenarios, interruption, tell)
    }


def iterate_calibrations(
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
            except UserError as problem:
                known[alike] = problem
        yield scenario, known[alike]


def require_calibration(scenario: Scenario, outcome: Outcome) -> Calibration:
    """Raises UserError, with the scenario's name, if that is what came of it."""
    if isinstance(outcome, UserError):
        raise UserError(f"{scenario.name}: {outcome}", outcome.exit_code) from outcome
    return outcome
