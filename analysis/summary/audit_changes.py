"""Changes of an audit's findings in a later audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from analysis.findings import AuditFinding, AuditFindings
from analysis.findings.base import AuditScope
from analysis.findings.recognition import FindingSite, group_by_site, pair_sites

Change = Literal[
    "new", "new route", "worse", "better", "gone", "similar", "in both", "not asked", "not seen"
]
"""B compared with A. new route: A did not request it. in both: no times to compare. not asked: B
did not request its route. not seen: one of the two could not detect such a finding, or most of its
requests of the route failed."""
CHANGED = 1.5
"""With unchanged code, the median of a wait doubles in one of three audits and its longest in one
of twelve: only both together show that code changed. By this factor, both changed together in 4 of
165 findings of unchanged apps; by 1.1, in 32."""


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """A site's findings: longest of all, median of the worst, count and seconds in total."""

    severity: str
    line: int | None
    count: int | None
    seconds: float | None
    median_ms: float | None
    longest_ms: float | None


@dataclass(frozen=True, slots=True)
class SiteChange:
    """found: from B, or from A where B has none."""

    change: Change
    site: FindingSite
    found: AuditFinding
    before: SiteFigures | None
    after: SiteFigures | None


def compare_findings(a: AuditFindings, b: AuditFindings) -> tuple[SiteChange, ...]:
    """Sort by kind of change, then the worst of A first."""
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
    """Return None for an empty sequence."""
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
    """found: from the side that has one. scopes: of A and B."""
    before, after = figures
    if before is not None and after is not None:
        return judge_ratios(before, after)
    other, own = scopes if before is None else reversed(scopes)
    if other.is_cut or not can_see(other, found) or misses_route(other, own, found):
        return "not seen"
    is_asked = asks_for_route(other, own, found)
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


def asks_for_route(other: AuditScope, own: AuditScope, found: AuditFinding) -> bool:
    """Return True if the other audit requested a finding's route. If the route is unknown, it may
    be any that its audit requested. At startup there is none."""
    if found.phase == "startup":
        return True
    return set(own.routes if found.route is None else (found.route,)) <= set(other.routes)


def misses_route(other: AuditScope, own: AuditScope, found: AuditFinding) -> bool:
    """Return True if requests of a finding's route failed in the other audit. If the route is
    unknown, it may be any that failed only there. At startup there is none."""
    if found.phase == "startup":
        return False
    if found.route is None:
        return not other.unchecked_names <= own.unchecked_names
    return found.route in other.unchecked_names


def can_see(scope: AuditScope, found: AuditFinding) -> bool:
    """Return True if an audit can detect it: an audit from outside the process, or of an earlier
    version, has fewer tables."""
    if found.code == "LOOP_BLOCKED":
        return scope.processes > 0 and scope.sees_blocks and not scope.hides_blocks
    return scope.processes > 0 and scope.sees_waits
