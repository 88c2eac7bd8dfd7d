"""`study run`: each cell is run, summarised, saved and shown, then the next."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import randbelow

from analysis.expectations import Expectation, check_known
from analysis.reports import summary_json, summary_of, write_reports
from analysis.run_summary import RunSummary, asked_of, beside_theory, summarised
from analysis.summary import CellSummary
from analysis.sweep import Sweeping
from analysis.tables import heading_lines, row_text
from records.rundir import RunDir, new_run
from scenarios.model import Available, Scenario, resolved
from scenarios.problems import Problem
from stress.cell import run_cell
from stress.databases import check_given
from stress.engines import check_installed
from stress.interruption import CellInterruptedError, Interruption
from stress.load_plan import Distribution
from stress.machine import free_port, raise_descriptors
from stress.plan import descriptors_needed
from stress.programs import peer_program, upstream_program
from stress.stack import Stack
from stress.start import reached
from stress.watch import Families
from study.closing import (
    BROKEN,
    exit_code,
    finish_page,
    print_closing,
    print_outcomes,
    print_where,
)
from study.distribution import check_ports
from study.environment import available, environment
from study.interrupts import noted
from study.live.shown import shown
from study.progress import Progress, progress_for
from study.schedule import Turn, schedule
from study.theory import Theory, theory_of

MOST_TRIALS = 1000
SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, apart from the scenarios themselves. `seed`: None has one drawn."""

    name: str
    trials: int
    port: int
    out: Path
    command: str
    json_output: bool = False
    quiet: bool = False
    seed: int | None = None
    expectations: tuple[Expectation, ...] = ()
    predict: bool = True
    distribution: Distribution | None = None
    live: bool = False
    """Whether a page on loopback shows the run while it goes on."""
    report: bool = True
    """Whether report.html is drawn at the end."""
    profile: bool = False
    """Whether py-spy draws a flame graph of each Python server."""
    sweep: Sweeping | None = None
    """Which of the scenarios are steps of what."""
    closing: bool = True
    """Whether what is to be said of the cells follows the table."""
    workshop: Mapping[str, object] | None = None
    """Of an exercise: its number, whether the app was edited, what was guessed."""


@dataclass(frozen=True, slots=True)
class Ran:
    """`ended`: by somebody's wish, before its time."""

    summary: RunSummary
    directory: RunDir
    ended: str | None
    page: bool
    """Whether report.html could be drawn."""


def run(scenarios: Sequence[Scenario], order: Order, served: Stack | None = None) -> int:
    """The exit code. Raises Problem before anything is written when it can't be done here."""
    done = ran(scenarios, order, served)
    if done.summary.cells and not order.json_output:
        print_where(done.directory, done.page)
    return exit_code(done.summary, done.directory, done.ended)


def ran(scenarios: Sequence[Scenario], order: Order, served: Stack | None = None) -> Ran:
    """Runs, saves and shows the cells. Raises Problem."""
    if not 1 <= order.trials <= MOST_TRIALS:
        raise Problem(f"--trials {order.trials}: give 1 to {MOST_TRIALS}")
    offered = available()
    if order.profile and not any(each.has_probe for each in scenarios):
        raise Problem("--profile: py-spy sees Python servers only; none is chosen")
    settled = [resolved(scenario, offered) for scenario in runnable(scenarios)]
    check_known(order.expectations, [each.name for each in settled])
    check_machine(settled, order, served)
    seed = randbelow(SEEDS) if order.seed is None else order.seed
    turns = schedule(settled, order.trials, seed)
    directory = new_run(order.out, order.name)
    content = manifest(settled, order, offered, seed, turns)
    directory.save_manifest(content)
    interruption = Interruption()
    progress = progress_for(order.quiet or order.json_output)
    cells: list[CellSummary] = []
    with (
        shown(order.live, progress, directory.path, order.command, settled) as view,
        noted(interruption),
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
            foretelling(directory, content, interruption, view.progress) if order.predict else None,
            view.others,
            order.profile,
        )
    summary = summarised(cells, asked_of(directory.manifest()))
    show(summary, order)
    page = order.report and finish_page(summary, directory)
    return Ran(summary, directory, interruption.reason, page)


def foretelling(
    directory: RunDir, content: dict[str, object], interruption: Interruption, progress: Progress
) -> Callable[[Scenario], None]:
    """Calibrates a scenario before its first trial and writes down what theory says. Right before
    it: a shared machine is not as fast now as it was some minutes ago."""
    theory = Theory({}, {})
    asked = set[str]()

    def foretell(scenario: Scenario) -> None:
        if scenario.name in asked:
            return
        asked.add(scenario.name)
        found = theory_of((scenario,), interruption, progress.calibrates)
        theory.calibrations.update(found.calibrations)
        theory.predictions.update(found.predictions)
        directory.save_manifest(content | asdict(theory))

    return foretell


def manifest(
    scenarios: Sequence[Scenario],
    order: Order,
    offered: Available,
    seed: int,
    turns: Sequence[Turn],
) -> dict[str, object]:
    return {
        "command": order.command,
        "environment": environment(),
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


def show(summary: RunSummary, order: Order) -> None:
    if order.json_output:
        print(summary_json(summary), end="")
        print_outcomes(summary.outcomes, sys.stderr)
    elif summary.cells:
        if order.quiet:
            print("\n".join((*heading_lines(), *(row_text(cell) for cell in summary.cells))))
        if order.closing:
            print_closing(summary)


def check_machine(scenarios: Sequence[Scenario], order: Order, served: Stack | None) -> None:
    """All that can be refused is refused before the first cell, not in the middle of the night."""
    raise_descriptors(max(descriptors_needed(each) for each in scenarios))
    if order.distribution:
        check_ports(order.distribution, order.port)
    elif served is None:
        free_port(order.port)
    for kind in {each.upstream.kind for each in scenarios if each.upstream}:
        upstream_program(kind)
    for each in scenarios:
        if each.url is not None:
            reached(each, each.url)
    for engine in {each.load.engine for each in scenarios}:
        check_installed(engine)
    if any(each.database for each in scenarios):
        check_given()


def runnable(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """Without the compiled servers that can't be built here: one line tells each of them.
    Raises Problem where nothing is left."""
    missing = dict[str, Problem]()
    for kind in dict.fromkeys(each.server.kind for each in scenarios if each.server.is_compiled):
        try:
            peer_program(kind)
        except Problem as problem:
            missing[kind] = problem
    left = tuple(each for each in scenarios if each.server.kind not in missing)
    if not left:
        raise next(iter(missing.values()))
    for absent, reason in missing.items():
        skipped = ", ".join(each.name for each in scenarios if each.server.kind == absent)
        print(f"study: left out {skipped}: {reason}", file=sys.stderr)
    return left


def run_cells(
    turns: Sequence[Turn],
    port: int,
    directory: RunDir,
    interruption: Interruption,
    progress: Progress,
    served: Stack | None,
    distribution: Distribution | None = None,
    foretell: Callable[[Scenario], None] | None = None,
    others: Families | None = None,
    profile: bool = False,
) -> list[CellSummary]:
    """In the order in which they ran. `foretell` is called before each."""
    cells: list[CellSummary] = []
    for line in heading_lines():
        progress.say(line)
    for number, turn in enumerate(turns, start=1):
        name, trial = turn.scenario.name, turn.trial
        cell = directory.cell(f"{name}.{trial}")
        progress.cell(number, len(turns), cell.path)
        try:
            if foretell is not None:
                foretell(turn.scenario)
            run_cell(
                turn.scenario,
                trial,
                cell,
                port,
                interruption,
                progress.tell,
                served,
                distribution,
                others,
                profile,
            )
        except CellInterruptedError as error:  # before its load had started: nothing to keep
            if interruption.reason is None:
                raise Problem(f"{name}: {error}{kept(directory, cells)}", BROKEN) from error
            break
        except Problem as problem:
            said = f"{name}: {problem}{kept(directory, cells)}"
            raise Problem(said, problem.exit_code) from problem
        summary = beside_theory(summary_of(cell), asked_of(directory.manifest()))
        cells.append(summary)
        write_reports(directory, cells)
        progress.say(row_text(summary))
        if interruption.reason or summary.interrupted:
            break
    return cells


def kept(directory: RunDir, cells: Sequence[CellSummary]) -> str:
    return f"; {directory.path} keeps the {len(cells)} before it" if cells else ""
