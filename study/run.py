"""`study run`: each cell is run, summarised, saved and shown, then the next."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import randbelow

from analysis.report.run_table import render_cell, render_run_headings
from analysis.report.write import load_cell_summary, render_summary_json, write_reports
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary, attach_prediction, read_run_settings, summarize_run
from analysis.summary.sweep import SweepSettings
from analysis.summary.thresholds import Threshold, validate_thresholds
from records.rundir import RunDir, create_run
from scenarios.errors import UserError
from scenarios.model import MachineResources, Scenario, resolve_scenario
from stress.cell import run_cell
from stress.databases import check_given_database
from stress.engines import check_engine_installed
from stress.interruption import CellInterruptedError, Interruption
from stress.load_plan import Distribution
from stress.machine import find_free_port, raise_descriptor_limit
from stress.plan import count_needed_descriptors
from stress.programs import find_peer_program, find_upstream_program
from stress.resource_monitor import Families
from stress.stack import Stack
from stress.start_stack import resolve_target
from study.distribution import check_ports
from study.final_output import (
    BROKEN,
    choose_exit_code,
    print_final_output,
    print_outcomes,
    print_report_location,
    print_run_table,
    write_report_page,
)
from study.live.session import open_display
from study.machine_facts import collect_environment, detect_resources
from study.predictions import PredictionSet, predict_scenarios
from study.progress import ProgressDisplay, choose_display, get_terminal_width
from study.schedule import ScheduledTrial, schedule_trials
from study.signals import record_signals

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
    sweep: SweepSettings | None = None
    """Which of the scenarios are steps of what."""
    closing: bool = True
    """Whether what is to be said of the cells follows the table."""
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
    done = run_scenarios(scenarios, order, served)
    if done.summary.cells and not order.json_output:
        print_report_location(done.directory, done.page)
    return choose_exit_code(done.summary, done.directory, done.ended)


def run_scenarios(
    scenarios: Sequence[Scenario], order: RunOptions, served: Stack | None = None
) -> RunResult:
    """Runs, saves and shows the cells. Raises UserError."""
    offered = detect_resources()
    if order.profile and not any(each.has_probe for each in scenarios):
        raise UserError("--profile: py-spy sees Python servers only; none is chosen")
    settled = [resolve_scenario(scenario, offered) for scenario in drop_unbuildable(scenarios)]
    validate_thresholds(order.expectations, [each.name for each in settled])
    check_machine(settled, order, served)
    seed = randbelow(SEEDS) if order.seed is None else order.seed
    turns = schedule_trials(settled, order.trials, seed)
    directory = create_run(order.out, order.name)
    content = build_manifest(settled, order, offered, seed, turns)
    directory.save_manifest(content)
    interruption = Interruption()
    progress = choose_display(order.quiet or order.json_output)
    cells: list[CellSummary] = []
    with (
        open_display(order.live, progress, directory.path, order.command, settled) as view,
        record_signals(interruption),
        suppress(CellInterruptedError),
    ):
        cells = run_cells(
            turns,
            order.port,
            directory,
            interruption,
            view.progress,
            served,
            order.distribution,
            make_predictor(directory, content, interruption, view.progress)
            if order.predict
            else None,
            view.others,
            order.profile,
        )
    summary = summarize_run(cells, read_run_settings(directory.load_manifest()))
    print_results(summary, order)
    page = order.report and write_report_page(summary, directory)
    return RunResult(summary, directory, interruption.reason, page)


def make_predictor(
    directory: RunDir,
    content: dict[str, object],
    interruption: Interruption,
    progress: ProgressDisplay,
) -> Callable[[Scenario], None]:
    """Calibrates a scenario before its first trial and writes down what theory says. Right before
    it: a shared machine is not as fast now as it was some minutes ago."""
    theory = PredictionSet({}, {})
    asked = set[str]()

    def foretell(scenario: Scenario) -> None:
        if scenario.name in asked:
            return
        asked.add(scenario.name)
        found = predict_scenarios((scenario,), interruption, progress.show_calibration)
        theory.calibrations.update(found.calibrations)
        theory.predictions.update(found.predictions)
        directory.save_manifest(content | asdict(theory))

    return foretell


def build_manifest(
    scenarios: Sequence[Scenario],
    order: RunOptions,
    offered: MachineResources,
    seed: int,
    turns: Sequence[ScheduledTrial],
) -> dict[str, object]:
    return {
        "command": order.command,
        "environment": collect_environment(),
        "scenarios": [asdict(each) for each in scenarios],
        "trials": order.trials,
        "seed": seed,
        "order": [[turn.scenario.name, turn.trial] for turn in turns],
        "expectations": [f"{each.target}: {each}" for each in order.expectations],
        "available": asdict(offered),
        "workshop": order.workshop,
        "sweep": asdict(order.sweep) if order.sweep else None,
        "distribution": asdict(order.distribution) if order.distribution else None,
        "calibrations": {},
        "predictions": {},
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


def drop_unbuildable(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """Without the compiled servers that can't be built here: one line tells each of them.
    Raises UserError where nothing is left."""
    missing = dict[str, UserError]()
    for kind in dict.fromkeys(each.server.kind for each in scenarios if each.server.is_compiled):
        try:
            find_peer_program(kind)
        except UserError as problem:
            missing[kind] = problem
    left = tuple(each for each in scenarios if each.server.kind not in missing)
    if not left:
        raise next(iter(missing.values()))
    for absent, reason in missing.items():
        skipped = ", ".join(each.name for each in scenarios if each.server.kind == absent)
        print(f"study: left out {skipped}: {reason}", file=sys.stderr)
    return left


def run_cells(
    turns: Sequence[ScheduledTrial],
    port: int,
    directory: RunDir,
    interruption: Interruption,
    progress: ProgressDisplay,
    served: Stack | None,
    distribution: Distribution | None = None,
    foretell: Callable[[Scenario], None] | None = None,
    others: Families | None = None,
    profile: bool = False,
) -> list[CellSummary]:
    """In the order in which they ran. `foretell` is called before each."""
    cells: list[CellSummary] = []
    progress.print_line(render_run_headings())
    for number, turn in enumerate(turns, start=1):
        name, trial = turn.scenario.name, turn.trial
        cell = directory.open_cell(f"{name}.{trial}")
        progress.start_cell(number, len(turns), cell.path)
        try:
            if foretell is not None:
                foretell(turn.scenario)
            run_cell(
                turn.scenario,
                trial,
                cell,
                port,
                interruption,
                progress.show_phase,
                served,
                distribution,
                others,
                profile,
            )
        except CellInterruptedError as error:  # before its load had started: nothing to keep
            if interruption.reason is None:
                raise UserError(
                    f"{name}: {error}{describe_kept_cells(directory, cells)}", BROKEN
                ) from error
            break
        except UserError as problem:
            said = f"{name}: {problem}{describe_kept_cells(directory, cells)}"
            raise UserError(said, problem.exit_code) from problem
        summary = attach_prediction(
            load_cell_summary(cell), read_run_settings(directory.load_manifest())
        )
        cells.append(summary)
        write_reports(directory, cells)
        progress.print_line(render_cell(summary, get_terminal_width()))
        if interruption.reason or summary.interrupted:
            break
    return cells


def describe_kept_cells(directory: RunDir, cells: Sequence[CellSummary]) -> str:
    return f"; {directory.path} keeps the {len(cells)} before it" if cells else ""
