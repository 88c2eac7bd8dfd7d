"""`study predict --from`: an audited service with more users."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from analysis.findings import find_all, load_audit_evidence
from analysis.report.forecast_table import build_forecast_table, build_users_table
from analysis.theory.audit.causes import AuditedService
from analysis.theory.audit.forecast import forecast_users
from analysis.theory.audit.model import build_audit_model
from records.rundir import open_run
from scenarios.errors import ALL_WELL, UserError, build_cannot_run_error
from study.audit_report import count_cores, is_audit
from study.final_output import print_table
from study.messages import show_activity

MOST_USERS = 5000
"""Limit of the simulation."""


def predict_audit(directory: Path, users: Sequence[int] | None, json_output: bool) -> int:
    """Return the exit code. Raises UserError."""
    if users is None:
        raise UserError("--from: give --users too, such as --users 500")
    run = open_run(directory)
    if not is_audit(run):
        raise UserError(f"--from {directory}: this run is not an audit; give an audit's directory")
    if max(users) > MOST_USERS:
        raise UserError(f"--users {max(users)}: give at most {MOST_USERS} with --from")
    with show_activity("reading the records"):
        evidence = load_audit_evidence(run)
    cores = count_cores(run)
    model = build_audit_model(evidence, cores)
    if model.reason is not None:
        raise build_cannot_run_error(f"{directory}: no prediction: {model.reason}")
    audited = AuditedService(model, find_all(evidence), evidence, cores)
    with show_activity("simulating"):
        now = forecast_users(audited, model.load.users)
        found = [forecast_users(audited, each) for each in users]
    if json_output:
        print(json.dumps([asdict(each) for each in found], indent=2))
    elif len(found) == 1:
        print_table(build_forecast_table(now, found[0]))
    else:
        print_table(build_users_table(found))
    return ALL_WELL
