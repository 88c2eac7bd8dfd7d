"""One prediction out of what formulas say and what the simulation showed."""

from dataclasses import dataclass, replace

from analysis.theory.simulation import SimulationResult
from records.prediction import Prediction
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class FormulaPrediction:
    """`ok_rps` and `mean_s` are None where none holds, and the simulation tells. `ceiling_rps` is
    None where nothing but the users limits."""

    ok_rps: float | None
    mean_s: Second | None
    ceiling_rps: float | None
    limited_by: str


def combine_predictions(formula: FormulaPrediction, shown: SimulationResult) -> Prediction:
    """No formula knows of failures: where requests fail, all of it is what the simulation showed,
    good answers as throughput and the times of all answers, good and bad."""
    if shown.failures > 0:
        why = "worker kills" if shown.kills > 0 else "client timeout"
        formula = replace(formula, ok_rps=None, mean_s=None, limited_by=why)
    return Prediction(
        ok_rps=shown.ok_rps if formula.ok_rps is None else formula.ok_rps,
        mean_ms=convert_to_ms(choose_mean_s(formula, shown)),
        median_ms=convert_to_ms(shown.median_s),
        p99_ms=convert_to_ms(shown.p99_s),
        ceiling_rps=formula.ceiling_rps,
        limited_by=formula.limited_by,
        bystander_ms=convert_to_ms(shown.bystander_median_s),
    )


def choose_mean_s(formula: FormulaPrediction, shown: SimulationResult) -> Second | None:
    """The formula's is of a steady state. A mean above the slowest answers seen says that this
    was not reached, or that some are never served: it would contradict them."""
    if formula.mean_s is None:
        return shown.mean_s
    if shown.p99_s is not None and formula.mean_s > shown.p99_s:
        return shown.mean_s
    return formula.mean_s


def convert_to_ms(value_s: Second | None) -> float | None:
    return None if value_s is None else 1000 * value_s
