"""Turns the records of an audit into its output: terminal, findings.json, report.html."""

import json
import sys
from collections.abc import Mapping, Sequence

import polars as pl

from analysis.findings import (
    AuditEvidence,
    AuditFindings,
    export_findings,
    find_all,
    load_audit_evidence,
)
from analysis.findings.cures.joint_cures import join_cures
from analysis.findings.finding_threshold import FindingGate, FindingOutcome, judge_findings
from analysis.report.audit_comparison import (
    build_changes_table,
    count_changes,
    export_changes,
    list_audit_differences,
)
from analysis.report.audit_markdown import render_audit_markdown
from analysis.report.audit_outcomes import describe_finding_outcome
from analysis.report.audit_page import write_audit_page
from analysis.report.findings_screen import render_audit
from analysis.report.sarif import export_sarif
from analysis.report.table import wrap_note
from analysis.summary.audit_changes import compare_findings
from analysis.summary.comparison import ensure_mapping
from analysis.theory.audit.predictions import predict_findings
from records.audit import FINDINGS_FILE, KIND, SARIF_FILE, SUMMARY_FILE
from records.files import write_whole
from records.rundir import RunDir, translate_judging_errors
from scenarios.errors import ALL_WELL, BROKEN, CANNOT, NOT_AS_EXPECTED, UserError
from study.final_output import print_report_location, print_table
from study.messages import print_message, show_activity
from study.paths import format_path
from study.progress import get_terminal_width

NO_GATE = FindingGate()
COMPARISON_SCHEMA = 1
"""Schema version of `study compare --json` for audits."""


def is_audit(run: RunDir) -> bool:
    return run.load_manifest().get("kind") == KIND


def report_audit(
    run: RunDir,
    gate: FindingGate = NO_GATE,
    *,
    json_output: bool = False,
    verbose: bool = False,
) -> int:
    """Write and print the findings; return the exit code. Raises UserError for missing records."""
    with show_activity("analysing the records"):
        evidence = load_audit_evidence(run)
        found = join_cures(predict_findings(find_all(evidence), evidence, count_cores(run)))
    outcomes = judge_findings(found, gate)
    text = dump_json(export_findings(found))
    write_whole(run.path / FINDINGS_FILE, text)
    write_for_ci(run, evidence, found, gate, outcomes)
    page = write_page(run, evidence, found)
    if json_output:
        print(text, end="")
    else:
        print(*render_audit(found, evidence, get_terminal_width(), verbose), sep="\n")
        print_report_location(run, page, (SUMMARY_FILE, FINDINGS_FILE, SARIF_FILE))
    for outcome in outcomes:
        print(describe_finding_outcome(outcome), file=sys.stderr if json_output else sys.stdout)
    code = choose_exit_code(outcomes)
    return code if page or code else BROKEN


def choose_exit_code(outcomes: Sequence[FindingOutcome]) -> int:
    """Return CANNOT if the audit cannot tell whether a threshold is met."""
    if any(each.failing for each in outcomes):
        return NOT_AS_EXPECTED
    return CANNOT if any(each.why is not None for each in outcomes) else ALL_WELL


def write_for_ci(
    run: RunDir,
    evidence: AuditEvidence,
    found: AuditFindings,
    gate: FindingGate,
    outcomes: Sequence[FindingOutcome],
) -> None:
    """Write findings.sarif and summary.md."""
    environment = ensure_mapping(run.load_manifest().get("environment"))
    sarif = export_sarif(found, evidence, str(environment.get("study", "")), gate.baseline)
    write_whole(run.path / SARIF_FILE, dump_json(sarif))
    summary = render_audit_markdown(found, evidence, gate.baseline, outcomes)
    write_whole(run.path / SUMMARY_FILE, summary)


def dump_json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def count_cores(run: RunDir) -> int:
    """Return the cores of the machine that the audit ran on; 1 if not recorded."""
    environment = run.load_manifest().get("environment")
    cores = environment.get("cores") if isinstance(environment, dict) else None
    return cores if isinstance(cores, int) else 1


def write_page(run: RunDir, evidence: AuditEvidence, found: AuditFindings) -> bool:
    """Draw report.html; a failure is one line, since the records are saved."""
    try:
        with show_activity("drawing report.html"):
            write_audit_page(run, found, evidence)
    except (UserError, OSError, ValueError, pl.exceptions.PolarsError) as error:
        print_message(f"report.html could not be drawn: {error}")
        return False
    return True


def print_audit_comparison(a: RunDir, b: RunDir, json_output: bool) -> int:
    """Raises UserError for missing records."""
    with translate_judging_errors(b.path):
        sides = [load_audit_evidence(each) for each in (a, b)]
        changes = compare_findings(*map(find_all, sides))
        differences = list(list_audit_differences(*sides))
    if json_output:
        paths = {"a": str(a.path), "b": str(b.path)}
        content = {"schema": COMPARISON_SCHEMA, **paths, "differences": differences}
        print(dump_json(content | {"findings": export_changes(changes)}), end="")
        return ALL_WELL
    print(f"A  {format_path(a.path)}\nB  {format_path(b.path)}\n")
    print_table(build_changes_table(changes))
    if differences:
        print(
            *wrap_note(f"These audits differ in more than their code: {'; '.join(differences)}."),
            sep="\n",
        )
    print("", count_changes(changes), sep="\n")
    return ALL_WELL
