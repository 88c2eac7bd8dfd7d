"""What the model says of each finding of an audit: its load with the finding, and without."""

from dataclasses import replace

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.remedies import Predicted
from analysis.theory.audit.changes import find_change
from analysis.theory.audit.model import AuditModel, build_audit_model, simulate_levels


def predict_findings(found: AuditFindings, evidence: AuditEvidence) -> AuditFindings:
    """Each with its prediction."""
    if not found.findings:
        return found
    model = build_audit_model(evidence)
    predicted = (
        replace(each, predicted=predict_cure(each, model, evidence)) for each in found.findings
    )
    return replace(found, findings=tuple(predicted))


def predict_cure(finding: AuditFinding, model: AuditModel, evidence: AuditEvidence) -> Predicted:
    users = model.load.users
    if model.reason is not None:
        return Predicted(users, reason=model.reason)
    change = find_change(finding, evidence)
    if change.reason is not None:
        return Predicted(users, reason=change.reason)
    after = simulate_levels(change.apply(model.demands), model.capacities, model.load)
    return Predicted(users, model.levels, after)
