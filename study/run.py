"""`study run`: each cell is run, summarised, saved and shown, then the next."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill

from analysis.advice import advice
from analysis.reports import summary_json, summary_of, write_reports
from analysis.summary import CellSummary
from analysis.tables import heading_lines, name_of, notes, row_line
from records.rundir import RunDir, new_run
from scenarios.model import Scenario, resolved
from scenarios.problems import Problem
from stress.cell import run_cell
from stress.interruption import CellInterruptedError, Interruption
from stress.machine import free_port, raise_descriptors
from stress.plan import descriptors_needed
from stress.stack import Stack, upstream_program
from study.environment import available, environment
from study.interrupts import noted
from study.progress import Progress, progress_for

ALL_WELL, INTERRUPTED = 0, 130
MOST_TRIALS = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, apart from the scenarios themselves."""

    name: str
    trials: int
    port: int
    out: Path
    command: str
    json_output: bool = False
    quiet: bool = False


def run(scenarios: Sequence[Scenario], order: Order, served: Stack | None = None) -> int:
    """The exit code. Raises Problem before anything is written when it can't be done here."""
    if not 1 <= order.trials <= MOST_TRIALS:
        raise Problem(f"--trials {order.trials}: give 1 to {MOST_TRIALS}")
    offered = available()
    settled = [resolved(scenario, offered) for scenario in scenarios]
    check_machine(settled, order, served)
    directory = new_run(order.out, order.name)
    directory.save_manifest(
        {
            "command": order.command,
            "environment": environment(),
            "scenarios": [asdict(each) for each in settled],
            "trials": order.trials,
            "available": asdict(offered),
        }
    )
    interruption = Interruption()
    progress = progress_for(order.quiet or order.json_output)
    try:
        with noted(interruption):
            cells = run_cells(settled, order, directory, interruption, progress, served)
    finally:
        progress.close()
    if order.json_output:
        print(summary_json(cells), end="")
    elif cells:
        if order.quiet:
            print("\n".join((*heading_lines(), *(row_line(cell) for cell in cells))))
        print_notes(cells, directory)
    reason = interruption.reason or next((c.interrupted for c in cells if c.interrupted), None)
    if reason:
        kept = f"kept: {directory.path}" if cells else "nothing had been measured yet"
        print(f"study: interrupted ({reason}); {kept}", file=sys.stderr)
        return INTERRUPTED
    return ALL_WELL


def check_machine(scenarios: Sequence[Scenario], order: Order, served: Stack | None) -> None:
    """All that can be refused is refused before the first cell, not in the middle of the night."""
    raise_descriptors(max(descriptors_needed(each) for each in scenarios))
    if served is None:
        free_port(order.port)
    for kind in {each.upstream.kind for each in scenarios if each.upstream}:
        upstream_program(kind)


def run_cells(
    scenarios: Sequence[Scenario],
    order: Order,
    directory: RunDir,
    interruption: Interruption,
    progress: Progress,
    served: Stack | None,
) -> list[CellSummary]:
    """Every scenario once, then all of them again: what drifts touches all alike."""
    cells: list[CellSummary] = []
    for line in heading_lines():
        progress.say(line)
    plan = [(trial, scenario) for trial in range(1, order.trials + 1) for scenario in scenarios]
    for number, (trial, scenario) in enumerate(plan, start=1):
        progress.cell(number, len(plan))
        cell = directory.cell(f"{scenario.name}.{trial}")
        try:
            run_cell(scenario, trial, cell, order.port, interruption, progress.tell, served)
        except CellInterruptedError:  # before its load had started: there is nothing to keep
            break
        except Problem as problem:
            kept = f"; {directory.path} keeps the {len(cells)} before it" if cells else ""
            raise Problem(f"{scenario.name}: {problem}{kept}", problem.exit_code) from problem
        summary = summary_of(cell)
        cells.append(summary)
        write_reports(directory, cells)
        progress.say(row_line(summary))
        if interruption.reason or summary.interrupted:
            break
    return cells


def print_notes(cells: Sequence[CellSummary], directory: RunDir) -> None:
    for cell in cells:
        told = notes(cell)
        if told:
            print(f"\n{name_of(cell)}")
            grave = [verdict for verdict in cell.verdicts if verdict.severity != "info"]
            told += [f"→ {verdict.code}: {advice(verdict)}" for verdict in grave]
            for note in told:
                print(fill(note, 80, initial_indent="  ", subsequent_indent="    "))
    print(f"\nsummary.md, summary.csv and summary.json are in\n{directory.path}/")


def load_summaries(directory: RunDir) -> list[CellSummary]:
    return [summary_of(cell) for cell in directory.cells()]
