"""`study predict`: what theory says, with no load at all."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from analysis.report.prediction_tables import (
    build_curve_table,
    build_predictions_table,
    describe_sizing,
)
from analysis.report.render import wrap_note
from analysis.theory.curve import Curve, compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.prediction import build_server_model, compute_prediction
from analysis.theory.sizing import LoadTarget, compute_sizing
from records.prediction import Prediction
from scenarios.errors import INTERRUPTED, UserError
from scenarios.model import NEVER_BINDS, Scenario, resolve_scenario
from scenarios.units import Second
from stress.interruption import CellInterruptedError, Interruption
from study.final_output import print_table
from study.machine_facts import detect_resources
from study.predictions import calibrate_scenarios
from study.progress import choose_display
from study.signals import record_signals

PICTURES = (".png", ".svg", ".html")


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """cpu_s: of one request; None has it measured here. cores: of each machine; None is ours.
    lifo: wake the newest of a pool's waiters first, as anyio did before 3.7."""

    users: tuple[int, ...] | None
    cpu_s: Second | None
    cores: int | None
    lifo: bool
    target: LoadTarget | None
    plot: Path | None
    json_output: bool


def predict_performance(scenarios: Sequence[Scenario], question: PredictionRequest) -> int:
    """Raises UserError. INTERRUPTED while calibrating."""
    if question.plot is not None and question.plot.suffix not in PICTURES:
        raise UserError(f"--plot {question.plot}: end its name in {', '.join(PICTURES)}")
    offered = detect_resources()
    settled = [
        resolve_scenario(size_for_most_users(scenario, question), offered) for scenario in scenarios
    ]
    try:
        systems = build_systems(settled, question)
    except CellInterruptedError:
        return INTERRUPTED
    if question.target is not None:
        return size_for_target(systems, question.target, question)
    if question.users is not None and len(question.users) > 1:
        return sweep_users(systems, question.users, question)
    found = [
        (scenario.name, compute_prediction(system, scenario.load)) for scenario, system in systems
    ]
    print_predictions(found, question)
    return 0


def size_for_most_users(scenario: Scenario, question: PredictionRequest) -> Scenario:
    """What is to be as large as the number of users is so for the most of them."""
    most = max(question.users or (scenario.load.users,))
    if question.target is not None:
        most = NEVER_BINDS
    return replace(scenario, load=replace(scenario.load, users=most))


def count_cores(question: PredictionRequest) -> int:
    return question.cores or psutil.cpu_count() or 1


def build_systems(
    scenarios: Sequence[Scenario], question: PredictionRequest
) -> list[tuple[Scenario, ServerModel]]:
    asking = [each.name for each in scenarios if each.database]
    if question.cpu_s is not None and asking:
        raise UserError(
            f"--cpu: how long the database takes for {asking[0]} is not known without a "
            "calibration; leave --cpu out"
        )
    costs = {each.name: (question.cpu_s or 0.0, 0.0) for each in scenarios}
    if question.cpu_s is None:
        costs = measure_costs(scenarios, question)
    systems = [
        (
            each,
            build_server_model(
                each, costs[each.name][0], count_cores(question), costs[each.name][1]
            ),
        )
        for each in scenarios
    ]
    if not question.lifo:
        return systems
    return [(each, replace(system, queue="lifo")) for each, system in systems]


def measure_costs(
    scenarios: Sequence[Scenario], question: PredictionRequest
) -> dict[str, tuple[Second, Second]]:
    """By scenario: the CPU of one request, and how long a database took for it."""
    interruption, progress = Interruption(), choose_display(quiet=question.json_output)
    try:
        with record_signals(interruption):
            found = calibrate_scenarios(scenarios, interruption, progress.show_calibration)
    finally:
        progress.close()
    return {
        each.name: (found[each.name].cpu_s, found[each.name].wait_s if each.database else 0.0)
        for each in scenarios
    }


def print_predictions(found: Sequence[tuple[str, Prediction]], question: PredictionRequest) -> None:
    if question.json_output:
        print(json.dumps({name: asdict(each) for name, each in found}, indent=2))
    else:
        print_table(build_predictions_table(found))


def sweep_users(
    systems: Sequence[tuple[Scenario, ServerModel]],
    users: tuple[int, ...],
    question: PredictionRequest,
) -> int:
    curves = [
        (scenario.name, compute_curve(system, users, scenario.load.think_s))
        for scenario, system in systems
    ]
    if question.json_output:
        print(json.dumps({name: asdict(found) for name, found in curves}, indent=2))
    else:
        for place, (name, found) in enumerate(curves):
            if place:
                print()
            print_table(build_curve_table(name, found))
    if question.plot is not None:
        draw_curves(curves, question.plot)
    return 0


def draw_curves(curves: Sequence[tuple[str, Curve]], plot: Path) -> None:
    from analysis.report.predicted_curves import draw_curves  # altair takes a while to import

    try:
        chart = draw_curves(curves)
        if plot.suffix == ".html":
            chart.save(str(plot), inline=True)  # no network needed to look at it
        else:
            chart.save(str(plot), scale_factor=2)
    except OSError as error:
        raise UserError(f"--plot {plot}: can't be written: {error.strerror}") from error
    print(f"\n{plot}")


def size_for_target(
    systems: Sequence[tuple[Scenario, ServerModel]], target: LoadTarget, question: PredictionRequest
) -> int:
    unseen = [scenario.name for scenario, system in systems if system.answers_first]
    if unseen:
        raise UserError(
            f"--target: {unseen[0]} answers before its work is done, so that no p99 tells whether "
            "it keeps up; choose another scenario"
        )
    found = [
        (
            scenario.name,
            compute_sizing(target, system, count_cores(question)),
        )
        for scenario, system in systems
    ]
    if question.json_output:
        print(json.dumps({name: each and asdict(each) for name, each in found}, indent=2))
        return 0
    for name, each in found:
        answer = describe_sizing(name, target.rate_per_s, 1000 * target.p99_s, each)
        print(*wrap_note(answer), sep="\n")
    return 0
