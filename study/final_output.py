"""What is said when no cell is left to run, and the exit code that goes with it."""

import sys
from collections.abc import Sequence
from textwrap import fill
from typing import TextIO

import polars as pl

from analysis.report.contrast_tables import render_contrast_lines
from analysis.report.notes import write_notes
from analysis.report.render import render_terminal
from analysis.report.run_table import build_run_table, format_cell_name
from analysis.report.write import write_page
from analysis.summary import sweep
from analysis.summary.capacity import render_capacity_lines
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary
from analysis.summary.thresholds import ThresholdOutcome, are_all_met, render_outcome
from analysis.summary.trials import render_trial_lines
from records.rundir import RunDir
from scenarios.errors import ALL_WELL, BROKEN, INTERRUPTED, NOT_AS_EXPECTED, UserError
from study.progress import get_terminal_width

WIDTH = 80


def print_run_table(summary: RunSummary) -> None:
    table = build_run_table(summary.cells)
    print("\n".join(render_terminal(table, get_terminal_width())))


def print_final_output(summary: RunSummary) -> None:
    if over_trials := render_trial_lines(summary.scenarios):
        print("\n".join(("", *over_trials)))
    for cell in summary.cells:
        print_notes(cell)
    for remark in list_engine_notes(summary.cells):
        print(f"\n{fill(remark, WIDTH)}")
    if summary.contrasts:
        print("\n".join(render_contrast_lines(summary.contrasts)))
    if summary.sweeps:
        print("\n".join(sweep.render_sweep_lines(summary.sweeps)))
    if summary.knee is not None:
        print("\n".join(("", *render_capacity_lines(summary.cells))))
    if summary.outcomes:
        print()
        print_outcomes(summary.outcomes, sys.stdout)


def write_report_page(summary: RunSummary, directory: RunDir) -> bool:
    """Draws report.html and charts/. Whatever keeps it from being drawn is one line: what was
    measured is safe by now."""
    if not summary.cells:
        return False
    try:
        write_page(directory, summary)
    except (UserError, OSError, ValueError, pl.exceptions.PolarsError) as error:
        print(f"study: report.html could not be made: {error}", file=sys.stderr)
        return False
    return True


def print_report_location(directory: RunDir, page: bool) -> None:
    files = "report.html, " if page else ""
    print(f"\n{files}summary.md, summary.csv and summary.json are in\n{directory.path}/")


def list_engine_notes(cells: Sequence[CellSummary]) -> list[str]:
    """What another load program does not tell, once for the run and not for each of its cells."""
    of_engines = (each for cell in cells for each in cell.verdicts if each.code == "OTHER_ENGINE")
    return list(dict.fromkeys(each.message for each in of_engines))


def print_notes(cell: CellSummary) -> None:
    told = [note for note in write_notes(cell) if not note.startswith("OTHER_ENGINE")]
    if not told:
        return
    print(f"\n{format_cell_name(cell)}")
    grave = [verdict for verdict in cell.verdicts if verdict.severity != "info"]
    told += [f"→ {verdict.code}: {verdict.advice}" for verdict in grave]
    for note in told:
        print(fill(note, WIDTH, initial_indent="  ", subsequent_indent="    "))


def print_outcomes(outcomes: Sequence[ThresholdOutcome], file: TextIO) -> None:
    for outcome in outcomes:
        print(fill(render_outcome(outcome), WIDTH, subsequent_indent="    "), file=file)


def choose_exit_code(summary: RunSummary, directory: RunDir, told_to_end: str | None) -> int:
    """Says what cut a run short: somebody's wish (`told_to_end`), or a load that broke down."""
    broken = next((cell.interrupted for cell in summary.cells if cell.interrupted), None)
    if reason := told_to_end or broken:
        print(
            f"study: interrupted ({reason}); {describe_kept_results(summary, directory)}",
            file=sys.stderr,
        )
        return INTERRUPTED if told_to_end else BROKEN
    return judge_expectations(summary)


def judge_expectations(summary: RunSummary) -> int:
    return ALL_WELL if are_all_met(summary.outcomes) else NOT_AS_EXPECTED


def describe_kept_results(summary: RunSummary, directory: RunDir) -> str:
    if summary.cells:
        return f"kept: {directory.path}"
    directory.discard_if_empty()
    return "nothing had been measured yet"
