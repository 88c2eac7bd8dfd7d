"""What theory says of the scenarios of a run: calibrated and written down before any load."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from analysis.summary import Predicted
from analysis.theory.prediction import predicted, system_of
from records.calibration import Calibration
from scenarios.model import Client, Endpoint, Scenario, Server
from scenarios.problems import Problem
from stress.calibrate import calibrate
from stress.interruption import Interruption

Alike = tuple[Endpoint, Server, Client | None]


@dataclass(slots=True)
class Theory:
    """By the scenario's name; empty where no prediction was wanted."""

    calibrations: dict[str, Calibration] = field(default_factory=dict)
    predictions: dict[str, Predicted] = field(default_factory=dict)


def theory_of(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> Theory:
    """Of resolved scenarios. Those that differ in load and delay only share a calibration.

    Raises Problem where an endpoint does not answer, CellInterruptedError.
    """
    theory, known = Theory(), dict[Alike, Calibration]()
    for scenario in scenarios:
        alike = (scenario.endpoint, scenario.server, scenario.client)
        if alike not in known:
            tell(scenario.name)
            try:
                known[alike] = calibrate(scenario, interruption)
            except Problem as problem:
                message = f"{scenario.name}: {problem}; --no-predict runs without prediction"
                raise Problem(message, problem.exit_code) from problem
        theory.calibrations[scenario.name] = known[alike]
        system = system_of(scenario, known[alike].cpu_s, psutil.cpu_count())
        theory.predictions[scenario.name] = predicted(system, scenario.load)
    return theory
