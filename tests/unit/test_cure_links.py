"""The guidance's rules and the audit's findings link to each other, and each link has a target."""

import re
from pathlib import Path
from typing import get_args

import pytest

from analysis.findings import AuditFinding
from analysis.findings.judge import list_findings
from analysis.findings.remedies import CureRule
from analysis.guide.rules import load_rules

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES = {rule.name: rule for rule in load_rules()}
CODES = {each.code for each in list_findings() if each.__module__.startswith("analysis.")}


def test_each_rule_that_a_cure_may_name_is_one_of_the_guidance() -> None:
    assert set(get_args(CureRule)) <= set(RULES)


@pytest.mark.parametrize("name", get_args(CureRule))
def test_a_rule_behind_cures_names_findings(name: str) -> None:
    assert RULES[name].findings
    assert set(RULES[name].findings) <= CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_pages_link_both_ways(code: str) -> None:
    """From the rule to the finding's row, and from the row to the rule."""
    audit, guidance = (DOCS / name for name in ("audit.md", "guidance.md"))
    rows = [each for each in audit.read_text().splitlines() if f'<a id="{code.lower()}">' in each]
    assert len(rows) == 1
    linked = set(re.findall(r"\(guidance\.md#rule-([\w-]+)\)", rows[0]))
    assert linked == {name for name, rule in RULES.items() if code in rule.findings}
    text = guidance.read_text()
    assert all(f'<a id="rule-{name}"></a>' in text for name in linked)
    assert (f"(audit.md#{code.lower()})" in text) is bool(linked)


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_finding_proposes_a_cure_of_its_own(code: str) -> None:
    """Not the text that says that no cure is known."""
    (kind,) = [each for each in list_findings() if each.code == code and each in CLASSES]
    assert kind.propose_cure is not AuditFinding.propose_cure


CLASSES = {each for each in list_findings() if each.__module__.startswith("analysis.")}
