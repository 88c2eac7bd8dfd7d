"""`study run`: each cell is run, summarised, saved and shown, then the next."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from secrets import randbelow

from analysis.report.write import render_summary_json
from analysis.summary.run import RunSummary
from analysis.summary.sweep import SweepSettings
from analysis.summary.thresholds import Threshold, validate_thresholds
from records.rundir import RunDir, create_run
from scenarios.errors import UserError
from scenarios.model import Library, Scenario, ServerKind
from scenarios.resolution import resolve_scenario
from stress.databases import check_given_database
from stress.extras import check_client_library, check_extra
from stress.interruption import record_signals
from stress.load.oha import check_engine_installed
from stress.machine import find_free_port, raise_descriptor_limit
from stress.plan import count_needed_descriptors
from stress.programs import find_upstream_program
from stress.runtime import Distribution, Runtime
from stress.servers import find_adapter
from stress.stack import Stack
from stress.start_stack import resolve_target
from study.distribution import check_ports
from study.final_output import (
    choose_exit_code,
    print_final_output,
    print_outcomes,
    print_report_location,
    print_run_table,
    write_report_page,
)
from study.live.session import open_display
from study.machine_facts import collect_environment, detect_resources
from study.predictions import Predictor
from study.progress import choose_display
from study.runner import Runner
from study.schedule import FixedPlan, Plan, schedule_trials

SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked for, apart from the scenarios themselves. `seed`: None has one drawn."""

    name: str
    trials: int
    port: int
    out: Path
    command: str
    json_output: bool = False
    quiet: bool = False
    seed: int | None = None
    expectations: tuple[Threshold, ...] = ()
    predict: bool = True
    distribution: Distribution | None = None
    live: bool = False
    """Whether a page on loopback shows the run while it goes on."""
    report: bool = True
    """Whether report.html is drawn at the end."""
    profile: bool = False
    """Whether py-spy draws a flame graph of each Python server."""
    explain: bool = False
    """Whether a cell that is not as predicted is sampled for some seconds more, to say why."""
    sweep: SweepSettings | None = None
    """Which of the scenarios are steps of what."""
    closing: bool = True
    """Whether what is to be said of the cells follows the table."""
    calibrated: Scenario | None = None
    """Whose calibration stands for all scenarios; None has each calibrated."""
    workshop: Mapping[str, object] | None = None
    """Of an exercise: its number, whether the app was edited, what was guessed."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """`ended`: by somebody's wish, before its time."""

    summary: RunSummary
    directory: RunDir
    ended: str | None
    page: bool
    """Whether report.html could be drawn."""


def run_study(scenarios: Sequence[Scenario], order: RunOptions, served: Stack | None = None) -> int:
    """The exit code. Raises UserError before anything is written when it can't be done here."""
    return finish_run(run_scenarios(scenarios, order, served), order)


def finish_run(done: RunResult, order: RunOptions) -> int:
    """Says where everything is. The exit code."""
    if done.summary.cells and not order.json_output:
        print_report_location(done.directory, done.page)
    return choose_exit_code(done.summary, done.directory, done.ended)


def run_scenarios(
    scenarios: Sequence[Scenario], order: RunOptions, served: Stack | None = None
) -> RunResult:
    """Runs, saves and shows the cells. Raises UserError."""
    offered = detect_resources()
    if order.profile and not any(each.server.is_python for each in scenarios):
        raise UserError("--profile: py-spy sees Python servers only; none is chosen")
    if order.profile:
        check_extra("profile", "--profile")
    settled = [resolve_scenario(scenario, offered) for scenario in drop_impossible(scenarios)]
    validate_thresholds(order.expectations, [each.name for each in settled])
    seed = randbelow(SEEDS) if order.seed is None else order.seed
    plan = FixedPlan(schedule_trials(settled, order.trials, seed))
    return run_plan(settled, order, build_manifest(plan, order, seed), served, lambda _: plan)


def run_plan(
    scenarios: Sequence[Scenario],
    order: RunOptions,
    manifest: Mapping[str, object],
    served: Stack | None,
    make_plan: Callable[[Predictor | None], Plan],
) -> RunResult:
    """Of resolved scenarios, in a run directory of their own. Raises UserError."""
    check_machine(scenarios, order, served)
    directory = create_run(order.out, order.name)
    content = {**build_head(scenarios, order), **manifest}
    directory.save_manifest(content)
    progress = choose_display(order.quiet or order.json_output)
    with (
        open_display(order.live, progress, directory.path, order.command, scenarios) as view,
        record_signals() as interruption,
    ):
        listener, shared = view.progress.show_phase, (order.distribution, view.others)
        runtime = Runtime(order.port, interruption, listener, served, *shared, order.profile)
        calibration = view.progress.show_calibration
        predictor = Predictor(interruption, calibration, order.calibrated)
        known = predictor if order.predict else None
        runner = Runner(directory, content, runtime, view.progress, known, order.explain)
        runner.run_plan(make_plan)
    summary = runner.summarize()
    print_results(summary, order)
    page = order.report and write_report_page(summary, directory)
    return RunResult(summary, directory, interruption.reason, page)


def build_head(scenarios: Sequence[Scenario], order: RunOptions) -> dict[str, object]:
    """What every run's manifest tells first."""
    return {
        "command": order.command,
        "environment": collect_environment(),
        "scenarios": [asdict(each) for each in scenarios],
        "available": asdict(detect_resources()),
        "calibrations": {},
        "predictions": {},
    }


def build_manifest(plan: FixedPlan, order: RunOptions, seed: int) -> dict[str, object]:
    """What is particular to a run of trials."""
    return {
        "trials": order.trials,
        "seed": seed,
        "order": [[turn.scenario.name, turn.trial] for turn in plan.turns],
        "expectations": [f"{each.target}: {each}" for each in order.expectations],
        "workshop": order.workshop,
        "sweep": asdict(order.sweep) if order.sweep else None,
        "distribution": asdict(order.distribution) if order.distribution else None,
    }


def print_results(summary: RunSummary, order: RunOptions) -> None:
    if order.json_output:
        print(render_summary_json(summary), end="")
        print_outcomes(summary.outcomes, sys.stderr)
    elif summary.cells:
        if order.quiet:
            print_run_table(summary)
        if order.closing:
            print_final_output(summary)


def check_machine(scenarios: Sequence[Scenario], order: RunOptions, served: Stack | None) -> None:
    """All that can be refused is refused before the first cell, not in the middle of the night."""
    raise_descriptor_limit(max(count_needed_descriptors(each) for each in scenarios))
    if order.distribution:
        check_ports(order.distribution, order.port)
    elif served is None:
        find_free_port(order.port)
    for kind in {each.upstream.kind for each in scenarios if each.upstream}:
        find_upstream_program(kind)
    for each in scenarios:
        if each.url is not None:
            resolve_target(each, each.url)
    for engine in {each.load.engine for each in scenarios}:
        check_engine_installed(engine)
    if any(each.database for each in scenarios):
        check_given_database()


def drop_impossible(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """Without those whose server or database can't be had here: one line for each reason. Raises
    UserError where nothing is left."""
    missing = {
        each.name: problem
        for each in scenarios
        if (
            problem := find_obstacle(
                each.server.kind, each.database is not None, name_library(each)
            )
        )
    }
    left = tuple(each for each in scenarios if each.name not in missing)
    if not left:
        raise next(iter(missing.values()))
    for reason in dict.fromkeys(map(str, missing.values())):
        skipped = ", ".join(name for name, each in missing.items() if str(each) == reason)
        print(f"study: left out {skipped}: {reason}", file=sys.stderr)
    return left


def name_library(scenario: Scenario) -> Library | None:
    """The client library that the server under study uses, where it is one of ours in Python."""
    return scenario.client.library if scenario.client and scenario.server.is_python else None


@cache
def find_obstacle(
    server: ServerKind, has_database: bool, library: Library | None
) -> UserError | None:
    """Builds the server where it must be."""
    try:
        find_adapter(server).check_available()
        if has_database:
            check_extra("database", "a scenario with a database")
        if library is not None:
            check_client_library(library)
    except UserError as problem:
        return problem
    return None
