"""Predictions for the scenarios of a run, calibrated and recorded before any load."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from time import monotonic

import psutil

from analysis.theory.model import ServerModel
from analysis.theory.prediction import compute_prediction
from analysis.theory.reasons import explain_pool, explain_refusals
from analysis.theory.rounds import add_rounds
from analysis.theory.scenario_model import build_server_model
from analysis.theory.unknown_server import describe_unknown_server
from records.prediction import Calibration, Prediction, name_prediction
from scenarios.errors import UserError
from scenarios.model import Load, Scenario
from scenarios.units import Second
from stress.calibrate import calibrate
from stress.interruption import Interruption
from stress.runtime import ExplainIf
from study.estimates import SHARED_FOR_S, Alike, select_calibrated
from study.messages import print_message

GROWN_CPU = 1.5


def choose_condition(prediction: Prediction | None) -> ExplainIf | None:
    """Return when a window needs an explanation: CPU per request more than 50 % above that of one
    request alone, or throughput outside the predicted range. Without a range, only a saturated
    interpreter does. None without a prediction."""
    found = prediction
    if found is None:
        return None
    if found.low is None or found.high is None or not found.cpu_ms:
        return ExplainIf(inf, 0.0, inf)
    return ExplainIf(GROWN_CPU * (found.cpu_ms + found.cpu_idle_ms) / 1000, found.low, found.high)


def predict_calibrated(
    scenario: Scenario,
    found: Calibration,
    cores: int | None = None,
    predict: Callable[[ServerModel, Load], Prediction] = compute_prediction,
) -> Prediction:
    """Predict a resolved scenario, or give the reason why the model does not know it. cores: None
    for this machine's. Raises UserError."""
    if refused := refuse_to_predict(scenario, found):
        return refused
    system = build_calibrated_model(scenario, found, cores)
    load = scenario.load
    predicted = predict(add_rounds(system, found.samples, load), load)
    if unseen := explain_pool(scenario, predicted.extrapolated):
        return Prediction(cpu_ms=1000 * found.cpu_s, reason=unseen)
    return share_out_idle_cpu(predicted, found.idle_cores * scenario.server.workers)


def refuse_to_predict(scenario: Scenario, found: Calibration) -> Prediction | None:
    """Return a prediction with a reason instead of figures; None if the model knows the server."""
    if scenario.endpoint.style == "unknown":
        return describe_unknown_server(found, scenario.load)
    if refused := explain_refusals(scenario, found):
        return Prediction(cpu_ms=1000 * found.cpu_s, reason=refused)
    return None


def build_calibrated_model(
    scenario: Scenario, found: Calibration, cores: int | None
) -> ServerModel:
    cores = cores or psutil.cpu_count()
    return build_server_model(scenario, found.cpu_s, cores, found.wait_s, found.samples)


def share_out_idle_cpu(found: Prediction, idle_cores: float) -> Prediction:
    if not found.ok_rps or found.cpu_loaded_ms is None:
        return found
    idle_ms = 1000 * idle_cores / found.ok_rps
    return replace(found, cpu_idle_ms=idle_ms, cpu_loaded_ms=found.cpu_loaded_ms + idle_ms)


@dataclass(slots=True)
class Predictor:
    """Calibrates each scenario right before each trial, unless a similar one was calibrated within
    SHARED_FOR_S. The calibration of a `base` is used for all.

    A scenario that cannot be predicted gets the reason instead, which `miss` receives once: an
    endpoint that only fails is worth measuring too.
    """

    interruption: Interruption
    tell: Callable[[str], None]
    base: Scenario | None = None
    miss: Callable[[str], None] = print_message
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    predictions: dict[str, Prediction] = field(default_factory=dict)
    """Both by the scenario's name, or for a later trial by `name/trial`."""
    _missed: dict[str, str] = field(default_factory=dict)
    """The reasons, by the name of the calibrated scenario."""
    _shared: dict[Alike, tuple[Second, Calibration]] = field(default_factory=dict)
    """With the time of each calibration."""
    _latest: dict[str, tuple[Calibration, Prediction]] = field(default_factory=dict)
    """By the scenario's name."""

    def predict(self, scenario: Scenario, trial: int = 1) -> Prediction:
        """Predict a trial of a resolved scenario once. Raises CellInterruptedError."""
        key = name_prediction(scenario.name, trial)
        if key not in self.predictions:
            self.predictions[key] = self.compute(scenario, key)
        return self.predictions[key]

    def compute(self, scenario: Scenario, key: str) -> Prediction:
        """Raises CellInterruptedError."""
        measured = self.base or scenario
        if measured.name in self._missed:
            return Prediction(reason=self._missed[measured.name])
        try:
            kept = self.calibrations.get(self.base.name) if self.base else None
            found = kept or self._share_calibration(measured)
            latest = self._latest.get(scenario.name)
            if latest is None or latest[0] is not found:
                latest = found, predict_calibrated(scenario, found)
        except UserError as problem:
            why = str(problem)
            if scenario.name not in self._latest:  # otherwise only this trial has none
                self._missed[measured.name] = why
            self.miss(f"no prediction: {why}")
            return Prediction(reason=why)
        self._latest[scenario.name] = latest
        self.calibrations[self.base.name if self.base else key] = found
        return latest[1]

    def _share_calibration(self, scenario: Scenario) -> Calibration:
        """Raises UserError, CellInterruptedError."""
        made_s, found = self._shared.get(select_calibrated(scenario), (-inf, None))
        if found is None or monotonic() - made_s > SHARED_FOR_S:
            found = calibrate_scenarios((scenario,), self.interruption, self.tell)[scenario.name]
            self._shared[select_calibrated(scenario)] = monotonic(), found
        return found

    def export(self) -> dict[str, object]:
        """Return the manifest's part."""
        return {
            "calibrations": {name: asdict(each) for name, each in self.calibrations.items()},
            "predictions": {name: asdict(each) for name, each in self.predictions.items()},
        }


def calibrate_scenarios(
    scenarios: Sequence[Scenario], interruption: Interruption, tell: Callable[[str], None]
) -> dict[str, Calibration]:
    """Return the calibrations by name; scenarios that differ only in delay and in load, with the
    same keep-alive, share one. Raises UserError if an endpoint does not respond,
    CellInterruptedError."""
    known = dict[Alike, Calibration]()
    found = dict[str, Calibration]()
    for scenario in scenarios:
        alike = select_calibrated(scenario)
        if alike not in known:
            tell(scenario.name)
            try:
                known[alike] = calibrate(scenario, interruption)
            except UserError as problem:
                raise UserError(f"{scenario.name}: {problem}", problem.exit_code) from problem
        found[scenario.name] = known[alike]
    return found
