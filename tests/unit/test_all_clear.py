"""What a probe did not record is said, and no threshold is kept by it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings import AuditEvidence, find_all, load_audit_evidence
from analysis.findings.finding_threshold import (
    FindingGate,
    judge_findings,
    parse_finding_threshold,
)
from records.journal import MORE
from records.rundir import create_run
from tests.unit.audit_samples import AuditBuilder, endpoint, save_audit


def list_codes(evidence: AuditEvidence) -> list[str]:
    return [each.code for each in find_all(evidence).notices]


def judge(evidence: AuditEvidence, threshold: str) -> str | None:
    """Why the threshold is unknown; None if it is kept. It is never exceeded here."""
    gate = FindingGate((parse_finding_threshold(threshold),))
    (outcome,) = judge_findings(find_all(evidence), gate)
    assert outcome.failing == ()
    return outcome.why


def load(folder: Path, audit: AuditBuilder) -> AuditEvidence:
    run = create_run(folder, "audit")
    save_audit(run, audit)
    return load_audit_evidence(run)


def build_quiet_audit() -> AuditBuilder:
    audit = AuditBuilder()
    for turn in range(4):
        audit.ask("/report", float(turn), turn + 0.01)
    return audit


def test_lost_journals_keep_no_threshold() -> None:
    evidence = build_quiet_audit().build()
    assert judge(evidence, "info") is None
    record = replace(evidence.record, journals_lost=("probe-7-1.5.journal",))
    assert judge(replace(evidence, record=record), "info") is not None


def test_a_full_table_of_texts_keeps_no_threshold(tmp_path: Path) -> None:
    audit = build_quiet_audit()
    audit.block(1.0, 0.5, [endpoint("read", 17)] * 4)
    for each in audit.stacks:
        each["stack"] = MORE
    audit.stacks[0]["stack"] = json.dumps([])
    evidence = load(tmp_path, audit)
    assert "table of texts was full" in (judge(evidence, "blocked>50ms") or "")
    (said,) = [each.message for each in find_all(evidence).notices if each.code == "UNEXPLAINED"]
    assert "longer audit" not in said


@pytest.mark.parametrize(("route", "codes"), [(MORE, ["PATHS_FULL"]), ("/a", [])])
def test_paths_that_were_not_kept_hide_no_block(
    route: str, codes: list[str], tmp_path: Path
) -> None:
    """A client invents them; a request to them blocks like any other, and its stack is kept."""
    audit = build_quiet_audit()
    audit.handle(route)
    evidence = load(tmp_path, audit)
    assert [each for each in list_codes(evidence) if each.endswith("FULL")] == codes
    assert judge(evidence, "blocked>50ms") is None
