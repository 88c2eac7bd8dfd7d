"""summary.md of an audit: the answer first, fit for a pull request and for a job's summary."""

from collections.abc import Iterator, Sequence

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.baseline import Baseline
from analysis.findings.finding_threshold import FindingOutcome
from analysis.report.audit_outcomes import describe_finding_outcome
from analysis.report.audit_overview import build_overview_table
from analysis.report.finding_words import format_place, format_route
from analysis.report.findings_table import (
    choose_shown,
    list_notices,
    write_answer,
    write_notices,
)
from analysis.report.table import escape_markdown, render_markdown

MOST_SHOWN = 20
"""Findings; a comment of a pull request has a bound."""


def render_audit_markdown(
    found: AuditFindings,
    evidence: AuditEvidence,
    baseline: Baseline | None,
    outcomes: Sequence[FindingOutcome],
) -> str:
    new = () if baseline is None else baseline.find_new(found.findings)
    lines = ["### study audit", ""]
    lines += [f"- {escape_markdown(describe_finding_outcome(each))}" for each in outcomes]
    lines += ["", escape_markdown(write_answer(found)), ""]
    shown = choose_shown(found, verbose=True)
    for each in shown[:MOST_SHOWN]:
        lines += describe_in_markdown(each, each in new)
    if len(shown) > MOST_SHOWN:
        lines += [f"and {len(shown) - MOST_SHOWN} more in findings.json"]
    notes = [f"- {escape_markdown(each)}" for each in list_notes(found)]
    return "\n".join([
        *lines, "", render_markdown(build_overview_table(evidence)), *notes, ""
    ])  # fmt: skip


def describe_in_markdown(found: AuditFinding, is_new: bool) -> Iterator[str]:
    mark = "**new** " if is_new else ""
    place = escape_markdown(format_place(found))
    yield f"- {mark}**{place}**: {escape_markdown(f'{format_route(found)}: {found.message}')}"


def list_notes(found: AuditFindings) -> Iterator[str]:
    yield from write_notices(tuple(list_notices(found)), verbose=False)
