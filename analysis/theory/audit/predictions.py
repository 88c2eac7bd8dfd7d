"""What the model says of each finding of an audit: its load with the finding, and without."""

from dataclasses import replace

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.remedies import Predicted
from analysis.theory.audit.changes import NOT_MET, find_change
from analysis.theory.audit.load import simulate_levels
from analysis.theory.audit.model import AuditModel, build_audit_model


def predict_findings(found: AuditFindings, evidence: AuditEvidence, cores: int) -> AuditFindings:
    """Each with its prediction. cores: of the machine."""
    if not found.findings:
        return found
    model = build_audit_model(evidence)
    findings = tuple(
        replace(each, predicted=predict_cure(each, model, evidence, cores))
        for each in found.findings
    )
    return replace(found, findings=findings)


def predict_cure(
    finding: AuditFinding, model: AuditModel, evidence: AuditEvidence, cores: int
) -> Predicted:
    users = model.load.users
    if model.reason is not None:
        return Predicted(users, reason=model.reason)
    change = find_change(finding, evidence, cores)
    if change.reason is not None:
        return Predicted(users, reason=change.reason)
    changed = change.apply(model.service)
    if changed == model.service:
        return Predicted(users, reason=NOT_MET)
    return Predicted(users, model.levels, simulate_levels(changed, model.load))
