"""`study predict`: what theory says, with no load at all."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import fill

import psutil

from analysis.summary import Predicted
from analysis.theory.asked import Target
from analysis.theory.prediction import predicted, system_of
from analysis.theory.sweep import Curve, curve, size_for
from analysis.theory.words import curve_lines, prediction_lines, sizing_line
from analysis.theory.worker import System
from scenarios.model import NEVER_BINDS, Scenario, resolved
from scenarios.problems import Problem
from scenarios.units import Second
from stress.interruption import CellInterruptedError, Interruption
from study.environment import available
from study.interrupts import noted
from study.progress import progress_for
from study.theory import calibrations_of

WIDTH = 80
PICTURES = (".png", ".svg", ".html")


@dataclass(frozen=True, slots=True)
class Question:
    """cpu_s: of one request; None has it measured here. cores: of each machine; None is ours.
    lifo: wake the newest of a pool's waiters first, as anyio did before 3.7."""

    users: tuple[int, ...] | None
    cpu_s: Second | None
    cores: int | None
    lifo: bool
    target: Target | None
    plot: Path | None
    json_output: bool


def predict(scenarios: Sequence[Scenario], question: Question) -> int:
    """Raises Problem. 130 if interrupted while calibrating."""
    if question.plot is not None and question.plot.suffix not in PICTURES:
        raise Problem(f"--plot {question.plot}: end its name in {', '.join(PICTURES)}")
    offered = available()
    settled = [resolved(roomy(scenario, question), offered) for scenario in scenarios]
    try:
        systems = systems_of(settled, question)
    except CellInterruptedError:
        return 130
    if question.target is not None:
        return size(systems, question.target, question)
    if question.users is not None and len(question.users) > 1:
        return sweep(systems, question.users, question)
    found = [(scenario.name, predicted(system, scenario.load)) for scenario, system in systems]
    show(found, question)
    return 0


def roomy(scenario: Scenario, question: Question) -> Scenario:
    """What is to be as large as the number of users is so for the most of them."""
    most = max(question.users or (scenario.load.users,))
    if question.target is not None:
        most = NEVER_BINDS
    return replace(scenario, load=replace(scenario.load, users=most))


def cores_of(question: Question) -> int:
    return question.cores or psutil.cpu_count() or 1


def systems_of(scenarios: Sequence[Scenario], question: Question) -> list[tuple[Scenario, System]]:
    asking = [each.name for each in scenarios if each.database]
    if question.cpu_s is not None and asking:
        raise Problem(
            f"--cpu: how long the database takes for {asking[0]} is not known without a "
            "calibration; leave --cpu out"
        )
    costs = {each.name: (question.cpu_s or 0.0, 0.0) for each in scenarios}
    if question.cpu_s is None:
        costs = measured_costs(scenarios, question)
    systems = [
        (each, system_of(each, costs[each.name][0], cores_of(question), costs[each.name][1]))
        for each in scenarios
    ]
    if not question.lifo:
        return systems
    return [(each, replace(system, queue="lifo")) for each, system in systems]


def measured_costs(
    scenarios: Sequence[Scenario], question: Question
) -> dict[str, tuple[Second, Second]]:
    """By scenario: the CPU of one request, and how long a database took for it."""
    interruption, progress = Interruption(), progress_for(quiet=question.json_output)
    try:
        with noted(interruption):
            found = calibrations_of(scenarios, interruption, progress.calibrates)
    finally:
        progress.close()
    return {
        each.name: (found[each.name].cpu_s, found[each.name].wait_s if each.database else 0.0)
        for each in scenarios
    }


def show(found: Sequence[tuple[str, Predicted]], question: Question) -> None:
    if question.json_output:
        print(json.dumps({name: asdict(each) for name, each in found}, indent=2))
    else:
        print("\n".join(prediction_lines(found)))


def sweep(
    systems: Sequence[tuple[Scenario, System]], users: tuple[int, ...], question: Question
) -> int:
    curves = [
        (scenario.name, curve(system, users, scenario.load.think_s)) for scenario, system in systems
    ]
    if question.json_output:
        print(json.dumps({name: asdict(found) for name, found in curves}, indent=2))
    else:
        print("\n\n".join("\n".join(curve_lines(name, found)) for name, found in curves))
    if question.plot is not None:
        draw(curves, question.plot)
    return 0


def draw(curves: Sequence[tuple[str, Curve]], plot: Path) -> None:
    from analysis.charts import curves_chart  # altair takes a while to import

    try:
        chart = curves_chart(curves)
        if plot.suffix == ".html":
            chart.save(str(plot), inline=True)  # no network needed to look at it
        else:
            chart.save(str(plot), scale_factor=2)
    except OSError as error:
        raise Problem(f"--plot {plot}: can't be written: {error.strerror}") from error
    print(f"\n{plot}")


def size(systems: Sequence[tuple[Scenario, System]], target: Target, question: Question) -> int:
    unseen = [scenario.name for scenario, system in systems if system.answers_first]
    if unseen:
        raise Problem(
            f"--target: {unseen[0]} answers before its work is done, so that no p99 tells whether "
            "it keeps up; choose another scenario"
        )
    found = [
        (
            scenario.name,
            size_for(target.rate_per_s, target.p99_s, system, cores_of(question)),
        )
        for scenario, system in systems
    ]
    if question.json_output:
        print(json.dumps({name: each and asdict(each) for name, each in found}, indent=2))
        return 0
    for name, each in found:
        told = sizing_line(name, target.rate_per_s, 1000 * target.p99_s, each)
        print(fill(told, WIDTH, subsequent_indent="    "))
    return 0
