"""The model's prediction for each finding of an audit: its load with and without the finding."""

from dataclasses import replace

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.remedies import Predicted, RouteLevel
from analysis.theory.audit.changes import NOT_MET, ServiceChange, find_change
from analysis.theory.audit.load import MeasuredService, simulate_levels
from analysis.theory.audit.model import build_audit_model


def predict_findings(found: AuditFindings, evidence: AuditEvidence, cores: int) -> AuditFindings:
    """Add a prediction to each finding. cores: of the machine."""
    if not found.findings:
        return found
    model = build_audit_model(evidence, cores)
    known: list[tuple[MeasuredService, tuple[RouteLevel, ...]]] = []

    def predict(finding: AuditFinding) -> Predicted:
        users = model.load.users
        change = ServiceChange(reason=model.reason)
        if model.reason is None:
            change = find_change(finding, evidence, cores)
        changed = change.apply(model.service)
        reason = change.reason or (NOT_MET if changed == model.service else None)
        if reason is not None:
            return Predicted(users, reason=reason)
        after = next((each for service, each in known if service == changed), None)
        if after is None:  # several findings may have one cure: a larger pool
            after = simulate_levels(changed, model.load)
            known.append((changed, after))
        return Predicted(users, model.levels, after)

    findings = tuple(replace(each, predicted=predict(each)) for each in found.findings)
    return replace(found, findings=findings)
