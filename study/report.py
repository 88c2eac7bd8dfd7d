"""`study report`: everything that a run said and wrote, once more, from its records."""

from pathlib import Path

from analysis.findings.finding_threshold import FindingGate
from analysis.report.write import load_run_summary, write_reports
from records.rundir import open_run
from scenarios.errors import BROKEN, UserError, build_write_error
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
    """The exit code, as the run's own was. Raises UserError where there is nothing to judge."""
    run = open_run(directory)
    if is_audit(run):
        return report_audit(run, gate, verbose=verbose)
    if verbose:
        raise UserError("-v: for an audit; report.html of this run has everything")
    if gate != NO_GATE:
        raise UserError("--fail-on and --baseline: for an audit; this run has its own --expect")
    with show_activity("reading the records"):
        summary = load_run_summary(run)
    if not summary.cells:
        raise UserError(f"{directory}: no cell of this run was saved; there is nothing to report")
    print_tables(summary)
    try:
        write_reports(run.path, summary)
    except OSError as error:
        raise build_write_error(
            error, f"{directory}: the reports can't be written: {error.strerror}"
        ) from error
    print_final_output(summary)
    page = write_report_page(summary, run)
    print_report_location(run, page)
    for name in run.list_unsaved_cells():
        print_message(f"{name} was begun and never saved; it is left out")
    code = judge_expectations(summary)
    return code if page or code else BROKEN
