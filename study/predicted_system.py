"""A scenario as `study predict` knows it: its model, and the loads for which there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.theory.formulas import Curve, CurvePoint, compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.prediction_range import add_range, is_extrapolated
from analysis.theory.reasons import explain_pool
from analysis.theory.rounds import add_rounds
from analysis.theory.scenario_model import build_server_model
from analysis.theory.sizing import LoadTarget, Sizing, compute_sizing
from analysis.theory.steady import compute_steady_curve, predict_steady_state
from records.prediction import Calibration, Prediction
from scenarios.errors import UserError
from scenarios.model import Load, Scenario
from scenarios.units import Second
from study.predictions import build_calibrated_model, predict_calibrated, refuse_to_predict


@dataclass(frozen=True, slots=True)
class PredictedSystem:
    """cost: the calibration; None if `cpu_s` was given. lifo: the pool wakes its newest waiter
    first."""

    scenario: Scenario
    cost: Calibration | None
    cpu_s: Second
    cores: int
    lifo: bool

    @property
    def name(self) -> str:
        return self.scenario.name

    def build_model(self) -> ServerModel:
        if self.cost is None:
            model = build_server_model(self.scenario, self.cpu_s, self.cores)
        else:
            model = build_calibrated_model(self.scenario, self.cost, self.cores)
        return self._order_queue(model)

    def predict_once(self) -> Prediction:
        """Predict the scenario's own load; a reason instead of figures if the model does not know
        the server. Raises UserError."""
        if self.cost is None:
            return self._predict_lasting(self.build_model(), self.scenario.load)
        return predict_calibrated(self.scenario, self.cost, self.cores, self._predict_lasting)

    def compute_range(self, users: Sequence[int]) -> Curve:
        """Compute the points that a single number of users would have; those without a prediction
        are left out. Raises UserError if none has one."""
        load, model = self.scenario.load, self.build_model()
        refused = {each: self._refuse(replace(load, users=each), model) for each in users}
        known = [each for each, why in refused.items() if why is None]
        why = next(filter(None, refused.values()), None)
        if not known:
            raise UserError(f"{self.name}: no prediction: {why}")
        found = compute_steady_curve(model, load, known)
        points = tuple(self._add_rounds(each, model) for each in found.points)
        return replace(found, points=points, ends_because=found.ends_because or why)

    def compute_size(self, target: LoadTarget) -> Sizing | None:
        """Raises UserError for a server that the model does not know."""
        model = self.build_model()
        load = replace(self.scenario.load, arrival_rate=target.rate_per_s)
        found = compute_sizing(target, model, self.cores)
        sized = replace(model, workers=found.workers, cores=None) if found else model
        if why := self._refuse(load, sized):
            raise UserError(f"{self.name}: no prediction: {why}")
        return found

    def _order_queue(self, model: ServerModel) -> ServerModel:
        return replace(model, queue="lifo") if self.lifo else model

    def _predict_lasting(self, model: ServerModel, load: Load) -> Prediction:
        model = self._order_queue(model)
        return add_range(predict_steady_state(model, load), model, load)

    def _refuse(self, load: Load, model: ServerModel) -> str | None:
        """Say why the model does not know the server under this load; None if it does."""
        if self.cost is None:
            return None
        sized = replace(self.scenario.server, workers=model.workers)
        refused = refuse_to_predict(replace(self.scenario, load=load, server=sized), self.cost)
        unseen = explain_pool(self.scenario, is_extrapolated(model, load))
        return refused.reason if refused else unseen

    def _add_rounds(self, point: CurvePoint, model: ServerModel) -> CurvePoint:
        load = replace(self.scenario.load, users=point.users)
        waiting = add_rounds(model, self.cost.samples if self.cost else (), load)
        if waiting is model:
            return point
        return compute_curve(waiting, [load.users], load.think_s, load.think_spread_s).points[0]
