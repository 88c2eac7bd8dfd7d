"""The range of a prediction, from the calibration's uncertainty."""

import math
from dataclasses import replace

from analysis.theory.formulas import CurvePoint, compute_curve, find_bottleneck
from analysis.theory.model import ServerModel
from analysis.theory.networks import compute_highest_rps
from records.prediction import Prediction
from scenarios.model import Load

OTHER_SHARE = 0.01
"""Share of the throughput, in both directions, by which two identical runs differ."""
COMPANY_SHARE = 0.08
"""Share of the throughput, downwards, times the square of the utilization of the interpreters, or
of the cores that they share. The model
lacks two effects: load, server and upstream wait for each other's cores, and a loop serves requests
that arrive together in rounds, so that they arrive together again. On 2 cores, throughput was 1 to
2.5 % lower than predicted at a utilization of 0.5, and 5 to 9 % lower at 0.7."""


def scale_cpu_to_load(model: ServerModel, load: Load) -> ServerModel:
    if load.arrival_rate is not None:
        return model.scale_cpu_to_rate(load.arrival_rate)
    return model.scale_cpu_to_users(load.users, load.think_s)


def add_range(found: Prediction, model: ServerModel, load: Load) -> Prediction:
    low, high = compute_range(model, load, found.ok_rps)
    settled = scale_cpu_to_load(model, load)
    return replace(
        found,
        cpu_loaded_ms=1000 * (settled.loop_cpu_s if settled.cpu_s is None else settled.cpu_s),
        low=low,
        high=high,
        extrapolated=is_extrapolated(model, load),
    )


def compute_range(
    model: ServerModel, load: Load, ok_rps: float | None
) -> tuple[float | None, float | None]:
    """Compute the range of successful responses per second over the CPU's confidence interval, by
    the formulas' ratio to their own middle. None without a calibration."""
    law = model.cpu_law
    if law is None or ok_rps is None:
        return None, None
    middle = compute_formula_rps(model, load)
    noise = (
        2 * math.sqrt(ok_rps / load.duration_s)
        if load.arrivals == "poisson" and load.is_open
        else 1 / load.duration_s
    )
    rates = [
        compute_formula_rps(
            replace(
                model,
                cpu_law=law.deviate(sign),
                delay_s=model.delay_s + sign * model.rounds_s / 2,
            ),
            load,
        )
        for sign in (1, -1)
    ]
    low, high = (ok_rps * each / middle for each in sorted(rates))
    settled, cores = scale_cpu_to_load(model, load), min(model.cores or math.inf, model.workers)
    cpu_s = model.loop_cpu_s if settled.cpu_s is None else settled.cpu_s
    busy = min(1.0, middle * max(settled.loop_cpu_s / model.workers, cpu_s / cores))
    unknown = OTHER_SHARE + COMPANY_SHARE * busy**2
    return max(0.0, low * (1 - unknown) - noise), high * (1 + OTHER_SHARE) + noise


def compute_formula_rps(model: ServerModel, load: Load) -> float:
    if load.arrival_rate is None:
        return find_point(model, load).ok_rps
    settled = scale_cpu_to_load(model, load)
    ceiling = settled.workers * compute_highest_rps(find_bottleneck(settled))
    return min(load.arrival_rate, ceiling)


def is_extrapolated(model: ServerModel, load: Load) -> bool:
    """Return True if CPU limits, at least at the upper end of its interval, and was not measured
    with this many in flight."""
    in_flight = load.users / model.workers
    if load.arrival_rate is not None:
        in_flight = load.arrival_rate * model.undisturbed_s / model.workers
    law = model.cpu_law
    if law is None or not law.is_extrapolated(in_flight):
        return False
    return find_limit(replace(model, cpu_law=law.deviate(1)), load) == "interpreter"


def find_point(model: ServerModel, load: Load) -> CurvePoint:
    return compute_curve(model, [load.users], load.think_s, load.think_spread_s).points[0]


def find_limit(model: ServerModel, load: Load) -> str:
    """Return the name of the full station, or "users"."""
    if load.arrival_rate is None:
        return find_point(model, load).limited_by
    station = find_bottleneck(scale_cpu_to_load(model, load))
    return (
        station.name
        if model.workers * compute_highest_rps(station) < load.arrival_rate
        else "users"
    )
