"""What theory says of the scenarios of a run: calibrated and written down before any load."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from analysis.summary import Predicted
from analysis.theory.prediction import predicted, system_of
from records.calibration import Calibration
from scenarios.model import Client, Endpoint, Scenario, Server
from scenarios.problems import Problem
from stress.calibrate import calibrate
from stress.interruption import Interruption

Alike = tuple[Endpoint, Server, Client | None]


@dataclass(frozen=True, slots=True)
class Theory:
    """By the scenario's name; empty where no prediction was wanted."""

    calibrations: dict[str, Calibration]
    predictions: dict[str, Predicted]


def theory_of(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> Theory:
    """Of resolved scenarios. Those that differ in load and delay only share a calibration.

    Raises Problem where an endpoint does not answer, CellInterruptedError.
    """
    calibrations = calibrations_of(scenarios, interruption, tell)
    systems = {
        each.name: system_of(each, calibrations[each.name].cpu_s, psutil.cpu_count())
        for each in scenarios
    }
    predictions = {each.name: predicted(systems[each.name], each.load) for each in scenarios}
    return Theory(calibrations, predictions)


def calibrations_of(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> dict[str, Calibration]:
    found, known = dict[str, Calibration](), dict[Alike, Calibration]()
    for scenario in scenarios:
        alike = (scenario.endpoint, scenario.server, scenario.client)
        if alike not in known:
            tell(scenario.name)
            try:
                known[alike] = calibrate(scenario, interruption)
            except Problem as problem:
                raise Problem(f"{scenario.name}: {problem}", problem.exit_code) from problem
        found[scenario.name] = known[alike]
    return found
