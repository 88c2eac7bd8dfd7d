"""A service's source at the start of its audit, for tests of cures."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from analysis.findings import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.guide.rules import load_rules
from records.rows import HANDOVERS
from tests.unit.audit_samples import AuditBuilder, Row, make_table

OLD_S = 1_000_000_000
"""Long before the audit."""
VERSIONS = {"anyio": "4.9", "starlette": "0.46"}
RULES = {rule.name: rule for rule in load_rules()}


def write_app(folder: Path, text: str) -> Path:
    file = folder / "main.py"
    file.write_text(dedent(text).lstrip("\n"), "utf-8")
    os.utime(file, (OLD_S, OLD_S))
    return file


def find_line(file: Path, text: str) -> int:
    """The only line with the text."""
    lines = enumerate(file.read_text("utf-8").split("\n"), start=1)
    (line,) = [number for number, each in lines if text in each]
    return line


def place_in(
    evidence: AuditEvidence,
    folder: Path,
    hop_ms: float | None = 0.1,
    versions: dict[str, str] = VERSIONS,
) -> AuditEvidence:
    processes = tuple(replace(each, versions=versions) for each in evidence.record.processes)
    record = replace(evidence.record, folder=str(folder), hop_ms=hop_ms, processes=processes)
    return replace(evidence, record=record)


def build_evidence_in(folder: Path, handovers: Sequence[Row] = ()) -> AuditEvidence:
    evidence = place_in(AuditBuilder().build(), folder)
    numbered = [{**row, "handover": place} for place, row in enumerate(handovers, start=1)]
    return replace(evidence, handovers=make_table(numbered, HANDOVERS))


def check_cure(cure: Cure | str | None, code: str) -> Cure:
    """Return the cure; its rule must name the finding."""
    assert isinstance(cure, Cure), cure
    assert cure.rule is None or code in RULES[cure.rule].findings
    return cure


def apply_cure(file: Path, cure: Cure) -> None:
    """Apply a cure to the source."""
    lines = file.read_text().splitlines()
    assert cure.line is not None
    begin = cure.line - 1
    end = begin + len(cure.before)
    assert tuple(lines[begin:end]) == cure.before
    lines[begin:end] = cure.after
    file.write_text("\n".join(lines) + "\n")
