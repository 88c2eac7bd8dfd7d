"""`study report`: the output and reports of a run, again, from its records."""

from pathlib import Path

from analysis.findings.finding_threshold import FindingGate
from analysis.report.write import load_run_summary, write_reports
from records.rundir import open_run
from scenarios.errors import CANNOT, UserError
from study.audit_report import NO_GATE, is_audit, report_audit
from study.final_output import (
    judge_expectations,
    print_final_output,
    print_report_location,
    print_tables,
    write_report_page,
)
from study.messages import print_message, show_activity


def rebuild_reports(directory: Path, gate: FindingGate = NO_GATE, *, verbose: bool = False) -> int:
    """Return the run's exit code. Raises UserError if there is nothing to report."""
    run = open_run(directory)
    if is_audit(run):
        return report_audit(run, gate, verbose=verbose)
    if verbose:
        raise UserError("-v is for an audit; report.html of this run has everything")
    if gate != NO_GATE:
        raise UserError("--fail-on and --baseline are for an audit; a run has its --expect")
    with show_activity("reading the records"):
        summary = load_run_summary(run)
    if not summary.cells:
        raise UserError(f"{directory}: this run saved no cell, so there is nothing to report")
    print_tables(summary)
    try:
        write_reports(run.path, summary)
    except OSError as error:
        raise UserError(
            f"{directory}: the reports can't be written: {error.strerror}", CANNOT
        ) from error
    print_final_output(summary)
    print_report_location(run, write_report_page(summary, run))
    for name in run.list_unsaved_cells():
        print_message(f"{name} was started and never saved; it is left out")
    return judge_expectations(summary)
