"""`study report`: everything that a run said and wrote, once more, from its records."""

import sys
from pathlib import Path

from analysis.reports import run_summary_of, write_reports
from analysis.tables import heading_lines, row_text
from records.rundir import open_run
from scenarios.problems import Problem
from study.closing import finish_page, judged, print_closing, print_where


def report(directory: Path) -> int:
    """The exit code, as the run's own was. Raises Problem where there is nothing to judge."""
    run = open_run(directory)
    summary = run_summary_of(run)
    if not summary.cells:
        raise Problem(f"{directory}: no cell of this run was saved; there is nothing to report")
    print("\n".join((*heading_lines(), *(row_text(cell) for cell in summary.cells))))
    try:
        write_reports(run, summary.cells)
    except OSError as error:
        raise Problem(f"{directory}: the reports can't be written: {error.strerror}", 3) from error
    print_closing(summary)
    print_where(run, finish_page(summary, run))
    for name in run.unsaved():
        print(f"study: {name} was begun and never saved; it is left out", file=sys.stderr)
    return judged(summary)
