"""What became of the findings of an audit in a later one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from analysis.findings import AuditFinding, AuditFindings
from analysis.findings.base import AuditScope
from analysis.findings.recognition import FindingSite, group_by_site, pair_sites

Change = Literal[
    "new", "new route", "worse", "better", "gone", "similar", "in both", "not asked", "not seen"
]
"""Of B against A. new route: A did not ask it. in both: there are no times to compare. not asked: B
did not ask its route. not seen: one of them could not see such a finding."""
CHANGED = 1.5
"""Of unchanged code the median of a wait is twice as long in one audit of three as in another, and
its longest in one of twelve: only both together say that code has changed. By this factor, the two
changed together in 4 of 165 findings of unchanged apps; by 1.1, in 32."""


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """Of a site's findings: the longest of all, the median of the worst, the seconds of all."""

    severity: str
    line: int | None
    count: int | None
    seconds: float | None
    median_ms: float | None
    longest_ms: float | None


@dataclass(frozen=True, slots=True)
class SiteChange:
    """found: of B, or of A where B has none."""

    change: Change
    site: FindingSite
    found: AuditFinding
    before: SiteFigures | None
    after: SiteFigures | None


def compare_findings(a: AuditFindings, b: AuditFindings) -> tuple[SiteChange, ...]:
    """By kind of change, then the worst of A first."""
    sides = group_by_site(a.findings), group_by_site(b.findings)
    changes = []
    for pair in pair_sites(tuple(sides[0]), tuple(sides[1])):
        before, after = (
            () if site is None else side[site] for side, site in zip(sides, pair, strict=True)
        )
        shown = (after or before)[0]
        figures = measure_site(before), measure_site(after)
        change = judge_change(figures, shown, (a.scope, b.scope))
        changes.append(SiteChange(change, FindingSite.locate(shown), shown, *figures))
    order = get_args(Change)
    return tuple(sorted(changes, key=lambda each: order.index(each.change)))


def measure_site(found: Sequence[AuditFinding]) -> SiteFigures | None:
    """None where there are none."""
    if not found:
        return None
    worst = found[0]
    counts = [each.count for each in found if each.count is not None]
    seconds = [each.seconds for each in found if each.seconds is not None]
    longest = [each.longest_ms for each in found if each.longest_ms is not None]
    return SiteFigures(
        severity=worst.severity,
        line=worst.line,
        count=sum(counts) if counts else None,
        seconds=sum(seconds) if seconds else None,
        median_ms=worst.median_ms,
        longest_ms=max(longest, default=None),
    )


def judge_change(
    figures: tuple[SiteFigures | None, SiteFigures | None],
    found: AuditFinding,
    scopes: tuple[AuditScope, AuditScope],
) -> Change:
    """found: of the side that has one. scopes: of A and of B."""
    before, after = figures
    if before is not None and after is not None:
        return judge_ratios(before, after)
    other = scopes[0] if before is None else scopes[1]
    if not can_see(other, found):
        return "not seen"
    is_asked = found.route is None or found.route in other.routes
    if before is None:
        return "new" if is_asked else "new route"
    return "gone" if is_asked else "not asked"


def judge_ratios(before: SiteFigures, after: SiteFigures) -> Change:
    times = (before.median_ms, after.median_ms), (before.longest_ms, after.longest_ms)
    ratios = [later / earlier for earlier, later in times if earlier and later]
    if len(ratios) < len(times):
        return "in both"
    if min(ratios) >= CHANGED:
        return "worse"
    return "better" if max(ratios) <= 1 / CHANGED else "similar"


def can_see(scope: AuditScope, found: AuditFinding) -> bool:
    """Whether an audit would have found it: one from outside, or of an earlier version, has fewer
    tables."""
    return scope.processes > 0 and (found.code == "LOOP_BLOCKED" or scope.sees_waits)
