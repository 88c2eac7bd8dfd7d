"""`study run`: checks, plans and runs the cells, then prints the results."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import randbelow

from analysis.report.trials_table import select_repeated
from analysis.report.write import render_summary_json
from analysis.summary.run import RunSummary
from analysis.summary.sweep import SweepSettings
from analysis.summary.thresholds import Threshold, validate_thresholds
from records.rundir import RunDir, create_run
from scenarios.errors import ALL_WELL, BROKEN, UserError
from scenarios.model import Scenario
from scenarios.resolution import resolve_scenario
from scenarios.settings import HAS_POSTGRESQL
from stress.check_targets import check_targets
from stress.database_url import find_given_url
from stress.databases import check_given_database
from stress.extras import check_extra
from stress.interruption import record_signals
from stress.load.oha import check_engine_installed
from stress.machine import find_free_port, raise_descriptor_limit
from stress.plan import count_needed_descriptors
from stress.programs import BuildWatch, find_upstream_program
from stress.runtime import Distribution, Runtime
from stress.stack import Stack
from study.distribution import check_ports
from study.estimates import estimate_run_s, format_estimate
from study.final_output import (
    choose_exit_code,
    print_final_output,
    print_outcomes,
    print_report_location,
    print_tables,
    print_trials,
    write_report_page,
)
from study.live.session import open_display
from study.machine_facts import collect_environment, detect_resources
from study.messages import print_message
from study.predictions import Predictor
from study.progress import ProgressDisplay, choose_display
from study.run_flags import SEEDS
from study.runner import Runner
from study.schedule import FixedPlan, Plan, schedule_trials
from study.selection import Peers, select_possible

EXPLAINING = "15 seconds more for each whose CPU differs from the prediction"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run, without its scenarios. seed: None to draw one."""

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
    """A page on loopback shows the run."""
    report: bool = True
    """Draw report.html at the end."""
    profile: bool = False
    """py-spy draws a flame graph of each Python server."""
    explain: bool = False
    """Sample a cell that differs from its prediction for some seconds more, to explain it."""
    sweep: SweepSettings | None = None
    """The scenarios that are steps of a sweep."""
    closing: bool = True
    """Print notes and the answer after the table."""
    calibrated: Scenario | None = None
    """The scenario whose calibration is used for all; None to calibrate each."""
    peers: Peers = "all"
    workshop: Mapping[str, object] | None = None
    """The record of an exercise: number, edited or not, the user's prediction."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """ended: the signal that ended it early. page: report.html was drawn."""

    summary: RunSummary
    directory: RunDir
    ended: str | None
    page: bool


def run_study(scenarios: Sequence[Scenario], order: RunOptions, served: Stack | None = None) -> int:
    """Return the exit code. Raises UserError before anything is written if this machine cannot run
    it."""
    return finish_run(run_scenarios(scenarios, order, served), order)


def finish_run(done: RunResult, order: RunOptions) -> int:
    """Print where the results are; return the exit code."""
    if done.summary.cells and not (order.json_output or order.quiet):
        print_report_location(done.directory, done.page)
    code = choose_exit_code(done.summary, done.directory, done.ended)
    return BROKEN if code == ALL_WELL and order.report and not done.page else code


def run_scenarios(
    scenarios: Sequence[Scenario], order: RunOptions, served: Stack | None = None
) -> RunResult:
    """Run, save and show the cells. Raises UserError."""
    offered = detect_resources()
    if order.profile and not any(each.server.is_python for each in scenarios):
        raise UserError("--profile: py-spy profiles only Python servers; none is chosen")
    if order.profile:
        check_extra("profile", "--profile")
    selection = select_possible(scenarios, order.peers)
    settled = [resolve_scenario(scenario, offered) for scenario in selection.scenarios]
    validate_thresholds(order.expectations, [each.name for each in settled])
    seed = randbelow(SEEDS) if order.seed is None else order.seed
    plan = FixedPlan(schedule_trials(settled, order.trials, seed, selection.unbuilt))
    manifest = build_manifest(plan, order, seed)

    def announce() -> None:
        if not order.quiet:
            print_estimate(settled, order, selection.unbuilt)

    return run_plan(settled, order, manifest, served, lambda _: plan, announce)


def print_estimate(
    scenarios: Sequence[Scenario], order: RunOptions, unbuilt: Collection[str]
) -> None:
    """Print how long the run takes, without the builds."""
    duration = format_estimate(estimate_run_s(scenarios, order.trials, order.predict))
    trials = f" x {order.trials} trials" if order.trials > 1 else ""
    kinds = {each.server.kind for each in scenarios if each.name in unbuilt}
    builds = f", plus the time to build {' and '.join(sorted(kinds))}" if kinds else ""
    many = f"{len(scenarios)} scenario{'s' if len(scenarios) > 1 else ''}"
    more = f"; {EXPLAINING}" if order.explain and order.predict else ""
    print_message(f"{many}{trials}: about {duration}{builds}{more}")


def run_plan(
    scenarios: Sequence[Scenario],
    order: RunOptions,
    manifest: Mapping[str, object],
    served: Stack | None,
    make_plan: Callable[[Predictor | None], Plan],
    announce: Callable[[], None] = lambda: None,
) -> RunResult:
    """Run resolved scenarios in a new run directory. announce: called after all checks passed.
    Raises UserError."""
    with closing(choose_display(order.quiet, rows=False)) as progress:
        check_machine(scenarios, order, served, progress)
    directory = create_run(order.out, order.name)
    content = {**build_head(scenarios, order, served is not None), **manifest}
    directory.save_manifest(content)
    announce()
    progress = choose_display(order.quiet, rows=not order.json_output)
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
    page = order.report and write_report_page(summary, directory, quiet=order.quiet)
    return RunResult(summary, directory, interruption.reason, page)


def build_head(scenarios: Sequence[Scenario], order: RunOptions, served: bool) -> dict[str, object]:
    """Return the part of the manifest that every run has. options: those that change the
    figures and belong to no scenario."""
    given = {
        "--profile": order.profile,
        "--served": served,
        "--database-url": any(map(HAS_POSTGRESQL.holds, scenarios))
        and find_given_url() is not None,
    }
    return {
        "options": {name: "set" for name, is_given in given.items() if is_given},
        "command": order.command,
        "environment": collect_environment(),
        "scenarios": [asdict(each) for each in scenarios],
        "available": asdict(detect_resources()),
        "calibrations": {},
        "predictions": {},
    }


def build_manifest(plan: FixedPlan, order: RunOptions, seed: int) -> dict[str, object]:
    """Return the part of the manifest that only a run of trials has."""
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
    elif order.quiet:
        print_tables(summary)
        print_outcomes([each for each in summary.outcomes if not each.met], sys.stderr)
    elif summary.cells:
        if select_repeated(summary.scenarios):  # the cells' rows are printed already
            print()
            print_trials(summary)
        if order.closing:
            print_final_output(summary)


def check_machine(
    scenarios: Sequence[Scenario],
    order: RunOptions,
    served: Stack | None,
    progress: ProgressDisplay,
) -> None:
    """Raises UserError for everything that can be checked before the first cell."""
    raise_descriptor_limit(max(count_needed_descriptors(each) for each in scenarios))
    if order.distribution:
        check_ports(order.distribution, order.port)
    elif served is None and any(each.url is None for each in scenarios):
        find_free_port(order.port)
    for kind in {each.upstream.kind for each in scenarios if each.upstream}:
        find_upstream_program(kind, BuildWatch(progress.show_build))
    check_targets(scenarios)
    for engine in {each.load.engine for each in scenarios}:
        check_engine_installed(engine)
    if any(map(HAS_POSTGRESQL.holds, scenarios)):
        check_given_database()
