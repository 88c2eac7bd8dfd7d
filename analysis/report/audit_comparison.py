"""Two audits side by side: which findings are gone, which are new, and how long they take now."""

from collections.abc import Sequence

from analysis.findings import AuditFinding, AuditFindings
from analysis.findings.base import AuditScope
from analysis.findings.recognition import group_by_site
from analysis.report.finding_words import format_route, name_finding
from analysis.report.table import Column, Row, Table
from analysis.stats import formats

SAME = 1.1
"""Seconds within a tenth are the same: two audits of one service differ by as much."""
COLUMNS = (
    Column("findings", is_text=True, width=36),
    Column("A", "s", formats.decimal, width=6),
    Column("B", "s", formats.decimal, width=6),
    Column("A median", "ms", formats.milliseconds),
    Column("B median", "ms", formats.milliseconds),
    Column("B is", is_text=True, width=9),
)
NOTE = (
    "Seconds grow with the requests of an audit; a median is of one request and does not. What was "
    "not asked in B is not gone. What A could not see is not seen."
)


def compare_audits(a: AuditFindings, b: AuditFindings) -> Table:
    """A row for each place of either, the worst of A first."""
    sides = group_by_site(a.findings), group_by_site(b.findings)
    rows = []
    for site in dict.fromkeys([*sides[0], *sides[1]]):
        before, after = (side.get(site, ()) for side in sides)
        shown = (before or after)[0]
        name = f"{shown.file or shown.call or 'a library'} {shown.function or ''}".rstrip()
        seconds = [sum_seconds(each) for each in (before, after)]
        medians = [each[0].median_ms if each else None for each in (before, after)]
        if before and after:
            change = describe_change(*seconds)
        elif after:
            change = "new" if can_see(a.scope, shown) else "not seen"
        else:
            is_asked = shown.route is None or shown.route in b.scope.routes
            change = "gone" if is_asked and can_see(b.scope, shown) else "not asked"
        heading = f"{format_route(shown)}: {name_finding(shown)}"
        rows += [Row(heading), Row(name, [*seconds, *medians, change], extra=True)]
    return Table(COLUMNS, rows, notes=[NOTE] if rows else ["Neither has a finding."])


def can_see(scope: AuditScope, found: AuditFinding) -> bool:
    """Whether an audit would have found it: one from outside, or of an earlier version, has fewer
    tables."""
    return scope.processes > 0 and (found.code == "LOOP_BLOCKED" or scope.sees_waits)


def sum_seconds(found: Sequence[AuditFinding]) -> float | None:
    """None where there are none."""
    known = [each.seconds for each in found if each.seconds is not None]
    return sum(known) if known else None


def describe_change(before_s: float | None, after_s: float | None) -> str:
    """Of a finding of both audits."""
    if before_s is None or after_s is None:
        return "in both"
    if max(before_s, after_s) <= SAME * min(before_s, after_s):
        return "the same"
    return "longer" if after_s > before_s else "shorter"
