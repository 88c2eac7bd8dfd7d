"""docs/audit-ci.md: its commands are valid, and its exit codes and finding codes are right."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from analysis.findings import find_all
from analysis.findings.finding_threshold import FindingOutcome, parse_finding_threshold
from analysis.report.audit_comparison import count_changes
from analysis.report.audit_outcomes import describe_finding_outcome
from analysis.summary.audit_changes import compare_findings
from records.audit import FINDINGS_FILE, SARIF_FILE, SUMMARY_FILE
from study.cli import build_app
from tests.unit.audit_samples import AuditBuilder, endpoint, library

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "audit-ci.md").read_text()
BLOCKS = [each.content for each in MarkdownIt().parse(TEXT) if each.type == "fence"]
COMMANDS = [
    line
    for block in BLOCKS
    for line in re.sub(r"\s*>-\s*|\n {10}(?=-)", " ", block).splitlines()
    if re.match(r"( +- run: +)?study (audit|report|compare) ", line)
]


def test_there_are_commands_and_the_workflow_has_one() -> None:
    assert len(COMMANDS) >= 4
    assert sum("run:" in each for each in COMMANDS) == 1


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_can_be_given(line: str) -> None:
    words = shlex.split(re.sub(r"^.*?study ", "", line))
    command, bound, _ = build_app().parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound.arguments


def test_each_threshold_of_the_table_is_one() -> None:
    rows = [each for each in TEXT.splitlines() if each.startswith("| `") and "audit.md#" in each]
    rows += [each for each in TEXT.splitlines() if re.match(r"\| `('|error)", each)]
    named = [each.strip("`'") for row in rows for each in re.findall(r"`[^`]+`", row.split("|")[1])]
    assert {"error", "warning", "info", "LOOP_BLOCKED", "blocked>50ms", "waited>200ms"} == set(
        named
    )
    assert [parse_finding_threshold(each).text for each in named] == named


def test_the_last_lines_are_worded_as_the_program_words_them() -> None:
    audit, stack = AuditBuilder(), endpoint("report", 17, [library("socket", "readinto")])
    for turn in range(4):
        audit.block(1.0 + turn, 0.25, [stack] * 5)
    found = find_all(audit.build())
    outcome = FindingOutcome(parse_finding_threshold("error"), found.findings[:1], 0, None)
    changes = compare_findings(replace(found, findings=()), found)
    for line, form in (
        (
            describe_finding_outcome(outcome),
            r"✗ --fail-on error: \S+ \S+, .+: .+, at most [\d.]+ ms",
        ),
        (count_changes(changes), r"Findings of B compared with A: \d+ new\b.*\."),
    ):
        assert re.fullmatch(form, line)
        assert re.search(rf"^{form}$", TEXT, re.MULTILINE)


def test_the_files_are_called_so() -> None:
    assert all(f"| `{each}` |" in TEXT for each in (FINDINGS_FILE, SARIF_FILE, SUMMARY_FILE))
