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
from analysis.theory.ordered import keeps_order
from analysis.theory.sizing import LoadTarget, Sizing
from analysis.theory.unknown_server import UNKNOWN
from records.prediction import Calibration, Prediction
from scenarios.errors import INTERRUPTED, UserError
from scenarios.model import NEVER_BINDS, Scenario
from scenarios.resolution import resolve_scenario
from scenarios.units import Second, format_duration
from stress.interruption import CellInterruptedError, record_signals
from study.final_output import print_table
from study.machine_facts import detect_resources
from study.messages import print_message, show_activity
from study.predict_plot import check_plot, draw_curves
from study.predicted_system import PredictedSystem
from study.predictions import calibrate_scenarios
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
    offered = detect_resources()
    settled = [resolve_scenario(size_for_most_users(each, question), offered) for each in scenarios]
    try:
        costs = calibrate_unless_given(settled, question)
    except CellInterruptedError:
        return INTERRUPTED
    cpu_s = question.cpu_s or 0.0
    systems = [
        PredictedSystem(each, costs.get(each.name), cpu_s, cores, question.lifo) for each in settled
    ]
    if question.target is not None:
        answer_target(systems, question.target, question)
    elif question.users is not None and len(question.users) > 1:
        answer_range(systems, question.users, question)
    else:
        with show_activity("simulating"):
            found = [(each.name, each.predict_once()) for each in systems]
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


def answer_target(
    systems: Sequence[PredictedSystem], target: LoadTarget, question: PredictionRequest
) -> None:
    """Raises UserError."""
    reject_unseen_limits(systems)
    with show_activity("simulating servers of several sizes"):
        sizes = [(each.name, each.compute_size(target)) for each in systems]
    print_answers(sizes, partial(print_sizings, target), question.json_output)


def answer_range(
    systems: Sequence[PredictedSystem], users: Sequence[int], question: PredictionRequest
) -> None:
    """Leave out a scenario without a prediction. Raises UserError if none has one."""
    curves, refused = [], list[UserError]()
    for system in systems:
        try:
            curves.append((system.name, system.compute_range(users)))
        except UserError as error:
            refused.append(error)
    if not curves:
        raise refused[0]
    for each in refused:
        print_message(str(each))
    print_answers(curves, print_curves, question.json_output)
    if question.plot is not None:
        draw_curves(curves, question.plot)


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


def reject_unseen_limits(systems: Sequence[PredictedSystem]) -> None:
    for each in systems:
        model = each.build_model()
        if model.answers_first:
            raise UserError(
                f"--target: {each.name} responds before its work is done, so that its p99 does "
                "not show whether it keeps up; choose another scenario"
            )
        if model.times_out:
            raise UserError(
                f"--target: each request of {each.name} fails: its client times out after "
                f"{format_duration(model.held_s)}; give a longer --client-timeout"
            )
        if not keeps_order(model):
            raise UserError(
                f"--target: {each.name} has requests of two styles, and sizing simulates one; "
                "choose another scenario"
            )
