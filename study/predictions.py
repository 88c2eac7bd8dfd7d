"""What theory says of the scenarios of a run: calibrated and written down before any load."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import psutil

from analysis.theory.model import build_server_model
from analysis.theory.prediction import compute_prediction
from records.prediction import Calibration, Prediction
from scenarios.errors import UserError
from scenarios.model import Client, Database, Endpoint, Scenario, Server
from stress.calibrate import calibrate
from stress.interruption import Interruption

Alike = tuple[Endpoint, Server, Client | None, Database | None]


def print_warning(line: str) -> None:
    print(f"study: {line}", file=sys.stderr)


@dataclass(slots=True)
class Predictor:
    """Calibrates each scenario right before its first trial: a shared machine is not as fast now
    as it was some minutes ago. Where a `base` is given its calibration stands for all.

    One of which nothing can be said has the reason instead, and `miss` is given it, once: an
    endpoint that only fails is worth measuring too.
    """

    interruption: Interruption
    tell: Callable[[str], None]
    base: Scenario | None = None
    miss: Callable[[str], None] = print_warning
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    predictions: dict[str, Prediction] = field(default_factory=dict)
    """Both by the scenario's name."""
    _missed: dict[str, str] = field(default_factory=dict)
    """Why, by the name of the scenario that was to be calibrated."""

    def predict(self, scenario: Scenario) -> Prediction:
        """Of a resolved scenario, on record. Raises CellInterruptedError."""
        name = scenario.name
        if name not in self.predictions:
            self.predictions[name] = self.compute(scenario)
        return self.predictions[name]

    def compute(self, scenario: Scenario) -> Prediction:
        """Raises CellInterruptedError."""
        measured = self.base or scenario
        if measured.name in self._missed:
            return Prediction(reason=self._missed[measured.name])
        try:
            found = (
                self.calibrations.get(measured.name)
                or calibrate_scenarios((measured,), self.interruption, self.tell)[measured.name]
            )
            system = build_server_model(scenario, found.cpu_s, psutil.cpu_count(), found.wait_s)
        except UserError as problem:
            self._missed[measured.name] = why = str(problem)
            self.miss(f"no prediction: {why}")
            return Prediction(reason=why)
        self.calibrations[measured.name] = found
        return compute_prediction(system, scenario.load)

    def export(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "calibrations": {name: asdict(each) for name, each in self.calibrations.items()},
            "predictions": {name: asdict(each) for name, each in self.predictions.items()},
        }


def calibrate_scenarios(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> dict[str, Calibration]:
    """By name; those that differ in load and delay only share one. Raises UserError where an
    endpoint does not answer, CellInterruptedError."""
    known = dict[Alike, Calibration]()
    found = dict[str, Calibration]()
    for scenario in scenarios:
        alike = (scenario.endpoint, scenario.server, scenario.client, scenario.database)
        if alike not in known:
            tell(scenario.name)
            try:
                known[alike] = calibrate(scenario, interruption)
            except UserError as problem:
                raise UserError(f"{scenario.name}: {problem}", problem.exit_code) from problem
        found[scenario.name] = known[alike]
    return found
