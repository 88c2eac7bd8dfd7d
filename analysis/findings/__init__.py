"""The findings of an audit, one class per finding; the base class discovers its subclasses."""

from analysis.findings.base import (
    AuditFinding,
    AuditFindings,
    Notice,
)
from analysis.findings.evidence import AuditEvidence
from analysis.findings.judge import export_findings, find_all
from analysis.findings.load_evidence import load_audit_evidence

__all__ = [
    "AuditEvidence",
    "AuditFinding",
    "AuditFindings",
    "Notice",
    "export_findings",
    "find_all",
    "load_audit_evidence",
]
