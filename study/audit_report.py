"""From the records of an audit to what it says: in the terminal, findings.json, report.html."""

import json
import sys

import polars as pl

from analysis.findings import (
    AuditEvidence,
    AuditFindings,
    export_findings,
    find_all,
    load_audit_evidence,
)
from analysis.report.audit_comparison import compare_audits
from analysis.report.audit_page import write_audit_page
from analysis.report.findings_screen import render_audit
from analysis.theory.audit.predictions import predict_findings
from records.audit import FINDINGS_FILE, KIND
from records.rundir import RunDir
from scenarios.errors import ALL_WELL, UserError
from study.final_output import print_table
from study.progress import get_terminal_width


def is_audit(run: RunDir) -> bool:
    return run.load_manifest().get("kind") == KIND


def report_audit(run: RunDir, *, json_output: bool = False, verbose: bool = False) -> int:
    """Writes and prints what the records say. The exit code. Raises UserError where records are
    missing."""
    evidence = load_audit_evidence(run)
    found = predict_findings(find_all(evidence), evidence, count_cores(run))
    text = json.dumps(export_findings(found), indent=2, allow_nan=False) + "\n"
    (run.path / FINDINGS_FILE).write_text(text)
    page = write_page(run, evidence, found)
    if json_output:
        print(text, end="")
        return ALL_WELL
    print(*render_audit(found, evidence, get_terminal_width(), verbose), sep="\n")
    print(f"\n{'report.html and ' if page else ''}{FINDINGS_FILE} are in\n{run.path}/")
    return ALL_WELL


def count_cores(run: RunDir) -> int:
    """Of the machine that the audit ran on; 1 where its record does not say."""
    environment = run.load_manifest().get("environment")
    cores = environment.get("cores") if isinstance(environment, dict) else None
    return cores if isinstance(cores, int) else 1


def write_page(run: RunDir, evidence: AuditEvidence, found: AuditFindings) -> bool:
    """Whatever keeps report.html from being drawn is one line: the records are safe by now."""
    try:
        write_audit_page(run, found, evidence)
    except (UserError, OSError, ValueError, pl.exceptions.PolarsError) as error:
        print(f"study: report.html could not be made: {error}", file=sys.stderr)
        return False
    return True


def print_audit_comparison(a: RunDir, b: RunDir) -> int:
    """Raises UserError where records are missing."""
    found = [find_all(load_audit_evidence(each)) for each in (a, b)]
    print(f"A  {a.path}\nB  {b.path}\n")
    print_table(compare_audits(*found))
    return ALL_WELL
