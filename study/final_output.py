"""The output after the last cell of a run, and the exit code."""

import sys
from collections.abc import Sequence
from typing import TextIO

import polars as pl

from analysis.report.answer_lines import render_answer_lines
from analysis.report.cell_notes import render_notes
from analysis.report.comparison_tables import build_contrast_tables, build_overall_table
from analysis.report.notes import describe_outcome
from analysis.report.run_table import build_run_table
from analysis.report.search_tables import build_sweep_table, render_capacity
from analysis.report.table import Table, render_terminal, wrap_note
from analysis.report.trials_table import build_narrow_trials_table, select_repeated
from analysis.report.write import compose_run_answer, write_page
from analysis.summary.contrast import Contrast, compute_overall
from analysis.summary.run import RunSummary
from analysis.summary.thresholds import ThresholdOutcome
from records.rundir import RunDir
from scenarios.errors import ALL_WELL, BROKEN, INTERRUPTED, NOT_AS_EXPECTED, UserError
from study.messages import print_message, show_activity
from study.paths import format_path
from study.progress import get_terminal_width

OTHERS = ("summary.md", "summary.csv", "summary.json")


def print_tables(summary: RunSummary) -> None:
    """Print the intervals over several trials, then each cell."""
    if select_repeated(summary.scenarios):
        print_trials(summary)
        print()
    print_table(build_run_table(summary.cells))


def print_table(table: Table) -> None:
    print("\n".join(render_terminal(table, get_terminal_width())))


def print_trials(summary: RunSummary) -> None:
    print_table(build_narrow_trials_table(select_repeated(summary.scenarios)))


def print_final_output(summary: RunSummary) -> None:
    """Print everything that follows the table of cells."""
    for line in render_notes(summary.cells):
        print(line)
    print_contrasts(summary.contrasts)
    for each in summary.sweeps:
        print()
        print_table(build_sweep_table(each, f"{each.scenario} over --{each.setting}"))
    if summary.knee is not None:
        print("", *render_capacity(summary.cells), sep="\n")
    if summary.outcomes:
        print()
        print_outcomes(summary.outcomes, sys.stdout)
    print("", *render_answer_lines(compose_run_answer(summary)), sep="\n")


def print_contrasts(found: Sequence[Contrast]) -> None:
    for each in found:
        print()
        for table in build_contrast_tables(each, narrow=True):
            print_table(table)
    if overall := compute_overall(found):
        title = f"all {overall[0].subjects} subjects, compared with {overall[0].contender}"
        print()
        print_table(build_overall_table(overall, f"{title} (geometric means of the ratios)"))


def write_report_page(summary: RunSummary, directory: RunDir, *, quiet: bool = False) -> bool:
    """Draw report.html and charts/; a failure is one line, since the results are saved."""
    if not summary.cells:
        return False
    try:
        with show_activity("drawing report.html", quiet=quiet):
            write_page(directory, summary)
    except (UserError, OSError, ValueError, pl.exceptions.PolarsError) as error:
        print_message(f"report.html could not be drawn: {error}")
        return False
    except SystemExit:  # a signal, which no longer ends a measurement
        place = format_path(directory.path)
        print_message(f"interrupted; kept: {place} (study report {place} draws report.html)")
        raise
    return True


def print_report_location(directory: RunDir, page: bool, others: Sequence[str] = OTHERS) -> None:
    """Print, last, which file to open."""
    print(f"\nWritten: {', '.join(others)}")
    place = directory.path / "report.html" if page else directory.path
    print(f"{'Report' if page else 'Folder'}: {format_path(place)}")


def print_outcomes(outcomes: Sequence[ThresholdOutcome], file: TextIO) -> None:
    for outcome in outcomes:
        print(*wrap_note(describe_outcome(outcome)), sep="\n", file=file)


def choose_exit_code(summary: RunSummary, directory: RunDir, interrupted_by: str | None) -> int:
    """Print what ended a run early, a signal (`interrupted_by`) or a failed load; return the exit
    code."""
    broken = next((cell.interrupted for cell in summary.cells if cell.interrupted), None)
    if reason := interrupted_by or broken:
        print_message(f"interrupted ({reason}); {describe_kept_results(summary, directory)}")
        return INTERRUPTED if interrupted_by else BROKEN
    return judge_expectations(summary)


def judge_expectations(summary: RunSummary) -> int:
    return ALL_WELL if all(each.met for each in summary.outcomes) else NOT_AS_EXPECTED


def describe_kept_results(summary: RunSummary, directory: RunDir) -> str:
    if summary.cells:
        return f"kept: {format_path(directory.path)}"
    directory.discard_if_empty()
    return "nothing was measured yet"
