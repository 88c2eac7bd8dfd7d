"""What is said when no cell is left to run, and the exit code that goes with it."""

import sys
from collections.abc import Sequence
from textwrap import fill
from typing import TextIO

import polars as pl

from analysis import sweep
from analysis.advice import advice, message
from analysis.capacity import capacity_lines
from analysis.contrast_tables import contrast_lines
from analysis.expectations import Outcome, all_met, outcome_line
from analysis.reports import write_page
from analysis.run_summary import RunSummary
from analysis.summary import CellSummary
from analysis.tables import name_of, notes
from analysis.trials import trial_lines
from records.rundir import RunDir
from scenarios.problems import Problem

ALL_WELL, NOT_AS_EXPECTED, BROKEN, INTERRUPTED = 0, 1, 3, 130
WIDTH = 80


def print_closing(summary: RunSummary) -> None:
    if over_trials := trial_lines(summary.scenarios):
        print("\n".join(("", *over_trials)))
    for cell in summary.cells:
        print_notes(cell)
    for remark in engines(summary.cells):
        print(f"\n{fill(remark, WIDTH)}")
    if summary.contrasts:
        print("\n".join(contrast_lines(summary.contrasts)))
    if summary.sweeps:
        print("\n".join(sweep.lines(summary.sweeps)))
    if summary.knee is not None:
        print("\n".join(("", *capacity_lines(summary.cells))))
    if summary.outcomes:
        print()
        print_outcomes(summary.outcomes, sys.stdout)


def finish_page(summary: RunSummary, directory: RunDir) -> bool:
    """Draws report.html and charts/. Whatever keeps it from being drawn is one line: what was
    measured is safe by now."""
    if not summary.cells:
        return False
    try:
        write_page(directory, summary)
    except (Problem, OSError, ValueError, pl.exceptions.PolarsError) as error:
        print(f"study: report.html could not be made: {error}", file=sys.stderr)
        return False
    return True


def print_where(directory: RunDir, page: bool) -> None:
    files = "report.html, " if page else ""
    print(f"\n{files}summary.md, summary.csv and summary.json are in\n{directory.path}/")


def engines(cells: Sequence[CellSummary]) -> list[str]:
    """What another load program does not tell, once for the run and not for each of its cells."""
    of_engines = (each for cell in cells for each in cell.verdicts if each.code == "OTHER_ENGINE")
    return list(dict.fromkeys(message(each) for each in of_engines))


def print_notes(cell: CellSummary) -> None:
    told = [note for note in notes(cell) if not note.startswith("OTHER_ENGINE")]
    if not told:
        return
    print(f"\n{name_of(cell)}")
    grave = [verdict for verdict in cell.verdicts if verdict.severity != "info"]
    told += [f"→ {verdict.code}: {advice(verdict)}" for verdict in grave]
    for note in told:
        print(fill(note, WIDTH, initial_indent="  ", subsequent_indent="    "))


def print_outcomes(outcomes: Sequence[Outcome], file: TextIO) -> None:
    for outcome in outcomes:
        print(fill(outcome_line(outcome), WIDTH, subsequent_indent="    "), file=file)


def exit_code(summary: RunSummary, directory: RunDir, told_to_end: str | None) -> int:
    """Says what cut a run short: somebody's wish (`told_to_end`), or a load that broke down."""
    broken = next((cell.interrupted for cell in summary.cells if cell.interrupted), None)
    if reason := told_to_end or broken:
        print(f"study: interrupted ({reason}); {what_is_kept(summary, directory)}", file=sys.stderr)
        return INTERRUPTED if told_to_end else BROKEN
    return judged(summary)


def judged(summary: RunSummary) -> int:
    return ALL_WELL if all_met(summary.outcomes) else NOT_AS_EXPECTED


def what_is_kept(summary: RunSummary, directory: RunDir) -> str:
    if summary.cells:
        return f"kept: {directory.path}"
    directory.discard_if_empty()
    return "nothing had been measured yet"
