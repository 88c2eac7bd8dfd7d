"""`study predict`: predictions of the model, without load."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil

from analysis.report.prediction_tables import (
    build_curve_table,
    build_predictions_table,
    describe_calibration,
    describe_sizing,
)
from analysis.report.table import wrap_note
from analysis.theory.formulas import Curve
from analysis.theory.model import ServerModel, build_server_model
from analysis.theory.ordered import keeps_order
from analysis.theory.prediction_range import add_range, is_extrapolated
from analysis.theory.reasons import explain_pool
from analysis.theory.rounds import add_rounds
from analysis.theory.sizing import LoadTarget, Sizing, compute_sizing
from analysis.theory.steady import compute_steady_curve, predict_steady_state
from analysis.theory.unknown_server import UNKNOWN
from records.prediction import Calibration, Prediction
from scenarios.errors import INTERRUPTED, UserError
from scenarios.model import NEVER_BINDS, Load, Scenario
from scenarios.resolution import resolve_scenario
from scenarios.units import Second, format_duration
from stress.interruption import CellInterruptedError, record_signals
from study.final_output import print_table
from study.machine_facts import detect_resources
from study.messages import show_activity
from study.predict_plot import check_plot, draw_curves
from study.predictions import (
    build_calibrated_model,
    calibrate_scenarios,
    predict_calibrated,
    refuse_to_predict,
)
from study.progress import choose_display

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """cpu_s: per request; None: measured here. cores: of each machine; None: this machine's. lifo:
    the pool wakes its newest waiter first, as anyio did before 3.7."""

    users: tuple[int, ...] | None
    cpu_s: Second | None
    cores: int | None
    lifo: bool
    target: LoadTarget | None
    plot: Path | None
    json_output: bool


def predict_performance(scenarios: Sequence[Scenario], question: PredictionRequest) -> int:
    """Raises UserError. Returns INTERRUPTED after a signal during the calibration."""
    check_plot(question.plot)
    cores = question.cores or psutil.cpu_count() or 1
    target, offered = question.target, detect_resources()
    settled = [resolve_scenario(size_for_most_users(each, question), offered) for each in scenarios]
    try:
        costs = calibrate_unless_given(settled, question)
    except CellInterruptedError:
        return INTERRUPTED
    if target is not None:
        systems = [(each, build_model(each, question, cores, costs)) for each in settled]
        reject_unseen_limits(systems)
        with show_activity("simulating servers of several sizes"):
            sizes = [(each.name, compute_sizing(target, model, cores)) for each, model in systems]
        print_answers(sizes, partial(print_sizings, target), question.json_output)
    elif question.users is not None and len(question.users) > 1:
        curves = [
            (each.name, compute_range_curve(each, question.users, model, costs.get(each.name)))
            for each in settled
            for model in [build_model(each, question, cores, costs)]
        ]
        print_answers(curves, print_curves, question.json_output)
        if question.plot is not None:
            draw_curves(curves, question.plot)
    else:
        with show_activity("simulating"):
            found = [(each.name, predict_once(each, question, cores, costs)) for each in settled]
        print_answers(found, print_predictions, question.json_output)
    return 0


def size_for_most_users(scenario: Scenario, question: PredictionRequest) -> Scenario:
    """Set the users to their maximum, so that pools sized "as many as users" are large enough."""
    most = max(question.users or (scenario.load.users,))
    if question.target is not None:
        most = NEVER_BINDS
    return replace(scenario, load=replace(scenario.load, users=most))


Costs = Mapping[str, Calibration]
"""By scenario; empty if the CPU was given."""


def calibrate_unless_given(scenarios: Sequence[Scenario], question: PredictionRequest) -> Costs:
    """Raises UserError for what only a calibration can measure, CellInterruptedError."""
    if question.cpu_s is None:
        progress = choose_display(quiet=False, rows=False)
        with closing(progress), record_signals() as interruption:
            costs = calibrate_scenarios(scenarios, interruption, progress.show_calibration)
        print_calibrations(costs)
        return costs
    for each in scenarios:
        if each.database:
            raise UserError(
                f"--cpu: only a calibration can measure the database time of {each.name}; leave "
                "--cpu out"
            )
        if each.endpoint.style == "unknown":
            raise UserError(f"{each.name}: {UNKNOWN}, so there is no prediction")
    return {}


def build_model(
    scenario: Scenario, question: PredictionRequest, cores: int, costs: Costs
) -> ServerModel:
    """Build the model for a range of users or a target. Raises UserError for a server that it does
    not know."""
    cost = costs.get(scenario.name)
    if cost is None:
        model = build_server_model(scenario, question.cpu_s or 0.0, cores)
    else:
        model = build_calibrated_model(scenario, cost, cores)
        load, target = scenario.load, question.target
        load = replace(load, arrival_rate=target.rate_per_s) if target else load
        refused = refuse_to_predict(replace(scenario, load=load), cost)
        unseen = explain_pool(scenario, is_extrapolated(model, load))
        if why := (refused and refused.reason) or unseen:
            raise UserError(f"{scenario.name}: no prediction: {why}")
    return replace(model, queue="lifo") if question.lifo else model


def compute_range_curve(
    scenario: Scenario, users: Sequence[int], model: ServerModel, cost: Calibration | None
) -> Curve:
    """Compute each point as a single number of users has it, with the wait for the loop's rounds.
    Raises UserError."""
    load = scenario.load
    found = compute_steady_curve(model, load, users)
    counts = [each.users for each in found.points] if cost else []
    waiting = (
        add_rounds(model, cost.samples if cost else (), replace(load, users=count))
        for count in counts
    )
    points = [
        compute_steady_curve(each, load, (count,)).points[0]
        for each, count in zip(waiting, counts, strict=True)
    ]
    return replace(found, points=tuple(points) or found.points)


def predict_once(
    scenario: Scenario, question: PredictionRequest, cores: int, costs: Costs
) -> Prediction:
    """Predict the scenario's own load, without figures for a server that the model does not know.
    Raises UserError."""

    def predict_lasting(model: ServerModel, load: Load) -> Prediction:
        model = replace(model, queue="lifo") if question.lifo else model
        return add_range(predict_steady_state(model, load), model, load)

    cost = costs.get(scenario.name)
    if cost is not None:
        return predict_calibrated(scenario, cost, cores, predict_lasting)
    return predict_lasting(build_model(scenario, question, cores, costs), scenario.load)


def print_calibrations(costs: Mapping[str, Calibration]) -> None:
    """Print each calibration once, with all scenarios that share it."""
    shared: dict[Calibration, list[str]] = defaultdict(list)
    for name, cost in costs.items():
        shared[cost].append(name)
    for cost, names in shared.items():
        print(*wrap_note(describe_calibration(names, cost)), sep="\n", file=sys.stderr)


def print_answers(
    found: Sequence[tuple[str, Answer]],
    show: Callable[[Sequence[tuple[str, Answer]]], None],
    json_output: bool,
) -> None:
    if json_output:
        print(json.dumps(dict(found), indent=2, default=asdict))
    else:
        show(found)


def print_predictions(found: Sequence[tuple[str, Prediction]]) -> None:
    print_table(build_predictions_table(found))


def print_curves(curves: Sequence[tuple[str, Curve]]) -> None:
    for place, (name, found) in enumerate(curves):
        if place:
            print()
        print_table(build_curve_table(name, found))


def print_sizings(target: LoadTarget, sizes: Sequence[tuple[str, Sizing | None]]) -> None:
    for name, each in sizes:
        answer = describe_sizing(name, target.rate_per_s, 1000 * target.p99_s, each)
        print(*wrap_note(answer), sep="\n")


def reject_unseen_limits(systems: Sequence[tuple[Scenario, ServerModel]]) -> None:
    for scenario, model in systems:
        if model.answers_first:
            raise UserError(
                f"--target: {scenario.name} responds before its work is done, so that its p99 does "
                "not show whether it keeps up; choose another scenario"
            )
        if model.times_out:
            raise UserError(
                f"--target: each request of {scenario.name} fails: its client times out after "
                f"{format_duration(model.held_s)}; give a longer --client-timeout"
            )
        if not keeps_order(model):
            raise UserError(
                f"--target: {scenario.name} has requests of two styles, and sizing simulates one; "
                "choose another scenario"
            )
