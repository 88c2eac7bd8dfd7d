"""`study report`: the output and reports of a run, again, from its records."""

from collections.abc import Mapping
from pathlib import Path

from analysis.findings.finding_threshold import FindingGate
from analysis.report.write import load_run_summary, write_reports
from records.audit import AUDIT_FILE, KIND
from records.rundir import RunDir, open_run, translate_judging_errors
from scenarios.errors import BROKEN, UserError, build_write_error
from stress.audit.save_audit import discard_unfinished_rounds, recover_audit
from stress.recover_cell import Outcome, recover_cell
from study.audit_report import NO_GATE, is_audit, report_audit
from study.final_output import (
    judge_expectations,
    print_final_output,
    print_report_location,
    print_tables,
    write_report_page,
)
from study.journal_folder import build_run, find_later_starts, is_journal_folder
from study.messages import print_message, show_activity
from study.paths import format_path

OUTCOMES: Mapping[Outcome, str] = {
    "recovered": "was recovered: the study was killed while it ran",
    "running": "is left out: it is still being measured",
    "killed early": "is left out: the study was killed before its window opened",
}
AUDIT_OUTCOMES: Mapping[Outcome, str] = {
    "running": "the audit is still running",
    "killed early": "the audit was killed before its load began, so there is nothing to report",
}
AUDIT_RECOVERED = (
    "the audit was recovered: it was killed while it ran. Missing are what it saw of the server "
    "(ended workers, accept queue) and the rows of a locustfile"
)


def rebuild_reports(directory: Path, gate: FindingGate = NO_GATE, *, verbose: bool = False) -> int:
    """Return the run's exit code. Raises UserError if there is nothing to report."""
    run = open_journals(directory) if is_journal_folder(directory) else open_run(directory)
    if is_audit(run):
        recover_killed_audit(run)
        with translate_judging_errors(run.open_cell(KIND).path):
            return report_audit(run, gate, verbose=verbose)
    if verbose:
        raise UserError("-v is for an audit; report.html of this run has everything")
    if gate != NO_GATE:
        raise UserError("--fail-on and --baseline are for an audit; a run has its --expect")
    recover_cells(run)
    with show_activity("reading the records"):
        summary = load_run_summary(run)
    if not summary.cells:
        raise UserError(f"{directory}: this run saved no cell, so there is nothing to report")
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
    code = judge_expectations(summary)
    return code if page or code else BROKEN


def open_journals(directory: Path) -> RunDir:
    """Raises UserError."""
    if later := find_later_starts(directory):
        print_message(
            f"the service started {len(later) + 1} times; this is the first start, and the last "
            f"one is {format_path(later[-1])}"
        )
    return build_run(directory)


def recover_killed_audit(run: RunDir) -> None:
    """Raises UserError if nothing was measured or a file is damaged, OSError where nothing can be
    written."""
    cell = run.open_cell(KIND)
    if (cell.path / AUDIT_FILE).exists():
        discard_unfinished_rounds(run)
        return
    outcome = recover_audit(cell)
    if outcome != "recovered":
        raise UserError(f"{run.path}: {AUDIT_OUTCOMES[outcome]}")
    print_message(AUDIT_RECOVERED)


def recover_cells(run: RunDir) -> None:
    """Raises UserError for damaged files of a cell, OSError where nothing can be written."""
    for name in run.list_unsaved_cells():
        outcome = recover_cell(run.open_cell(name))
        print_message(f"{name} {OUTCOMES[outcome]}")
