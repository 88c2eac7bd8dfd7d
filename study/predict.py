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
from analysis.theory.prediction_range import add_range
from analysis.theory.sizing import LoadTarget, Sizing, compute_sizing
from analysis.theory.steady import compute_steady_curve, predict_steady_state
from records.prediction import Calibration, Prediction
from scenarios.errors import INTERRUPTED, UserError
from scenarios.model import NEVER_BINDS, Scenario
from scenarios.resolution import resolve_scenario
from scenarios.units import Second, format_duration
from stress.interruption import CellInterruptedError, record_signals
from study.final_output import print_table
from study.machine_facts import detect_resources
from study.messages import show_activity
from study.predictions import calibrate_scenarios
from study.progress import choose_display

PICTURES = (".png", ".svg", ".html")
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
        systems = build_systems(settled, question, cores)
    except CellInterruptedError:
        return INTERRUPTED
    if target is not None:
        reject_unseen_limits(systems)
        with show_activity("simulating servers of several sizes"):
            sizes = [(each.name, compute_sizing(target, model, cores)) for each, model in systems]
        print_answers(sizes, partial(print_sizings, target), question.json_output)
    elif question.users is not None and len(question.users) > 1:
        curves = [
            (each.name, compute_steady_curve(model, each.load, question.users))
            for each, model in systems
        ]
        print_answers(curves, print_curves, question.json_output)
        if question.plot is not None:
            draw_curves(curves, question.plot)
    else:
        with show_activity("simulating"):
            found = [
                (each.name, add_range(predict_steady_state(model, each.load), model, each.load))
                for each, model in systems
            ]
        print_answers(found, print_predictions, question.json_output)
    return 0


def check_plot(plot: Path | None) -> None:
    """Raises UserError."""
    if plot is not None and plot.suffix not in PICTURES:
        raise UserError(f"--plot {plot}: the name must end in {', '.join(PICTURES)}")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise UserError(f"--plot {plot}: there is no such folder")
    if plot is not None and plot.exists() and not plot.is_file():
        raise UserError(f"--plot {plot}: it is not a regular file")


def size_for_most_users(scenario: Scenario, question: PredictionRequest) -> Scenario:
    """Set the users to their maximum, so that pools sized "as many as users" are large enough."""
    most = max(question.users or (scenario.load.users,))
    if question.target is not None:
        most = NEVER_BINDS
    return replace(scenario, load=replace(scenario.load, users=most))


def build_systems(
    scenarios: Sequence[Scenario], question: PredictionRequest, cores: int
) -> list[tuple[Scenario, ServerModel]]:
    asking = [each.name for each in scenarios if each.database]
    if question.cpu_s is not None and asking:
        raise UserError(
            f"--cpu: only a calibration can measure the database time of {asking[0]}; leave --cpu "
            "out"
        )
    costs = {}
    if question.cpu_s is None:
        progress = choose_display(quiet=False, rows=False)
        with closing(progress), record_signals() as interruption:
            costs = calibrate_scenarios(scenarios, interruption, progress.show_calibration)
        print_calibrations(costs)
    systems = []
    for scenario in scenarios:
        cost = costs.get(scenario.name)
        cpu_s, wait_s = (cost.cpu_s, cost.wait_s) if cost else (question.cpu_s or 0.0, 0.0)
        model = build_server_model(scenario, cpu_s, cores, wait_s, cost.samples if cost else ())
        systems.append((scenario, replace(model, queue="lifo") if question.lifo else model))
    return systems


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


def draw_curves(curves: Sequence[tuple[str, Curve]], plot: Path) -> None:
    from analysis.report.drawing import style_chart  # slow: it imports altair
    from analysis.report.predicted_curves import PredictedCell, draw_predictions

    try:
        with show_activity(f"drawing {plot}"):
            chart = style_chart(draw_predictions([PredictedCell(*each) for each in curves]))
            if plot.suffix == ".html":
                chart.save(str(plot), inline=True)  # needs no network
            else:
                chart.save(str(plot), scale_factor=2)
    except OSError as error:
        raise UserError(f"--plot {plot}: can't be written: {error.strerror}") from error
    print(f"\n{plot}")


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
