"""Two audits side by side: what blocks the event loop no longer, newly, and for how long now."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from analysis.findings import AuditFinding, AuditFindings
from analysis.report.findings_table import format_route
from analysis.report.table import Column, Row, Table
from analysis.stats import formats

Site = tuple[str, str, str, str]
"""Code, route and phase, file and function, call: lines move when code is changed."""
SAME = 1.1
"""Seconds within a tenth are the same: two audits of one service differ by as much."""
COLUMNS = (
    Column("blocks the event loop", is_text=True, width=36),
    Column("A", "s", formats.decimal, width=6),
    Column("B", "s", formats.decimal, width=6),
    Column("A median", "ms", formats.milliseconds),
    Column("B median", "ms", formats.milliseconds),
    Column("B is", is_text=True, width=9),
)
NOTE = (
    "Seconds grow with the requests of an audit; a median is of one request and does not. What was "
    "not asked in B is not gone."
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
        is_asked = shown.route is None or shown.route in b.scope.routes
        change = describe_change(seconds[0], seconds[1], is_asked and b.scope.processes > 0)
        rows += [Row(f"{format_route(shown)}"), Row(name, [*seconds, *medians, change], extra=True)]
    return Table(COLUMNS, rows, notes=[NOTE] if rows else ["Neither has a finding."])


def group_by_site(found: Sequence[AuditFinding]) -> Mapping[Site, tuple[AuditFinding, ...]]:
    sites: dict[Site, list[AuditFinding]] = defaultdict(list)
    for each in found:
        place = f"{each.file} {each.function}"
        sites[each.code, format_route(each), place, each.call or ""].append(each)
    return {site: tuple(mine) for site, mine in sites.items()}


def sum_seconds(found: Sequence[AuditFinding]) -> float | None:
    return sum(each.seconds or 0.0 for each in found) if found else None


def describe_change(before_s: float | None, after_s: float | None, could_see: bool) -> str:
    if before_s is None:
        return "new"
    if after_s is None:
        return "gone" if could_see else "not asked"
    if max(before_s, after_s) <= SAME * min(before_s, after_s):
        return "the same"
    return "longer" if after_s > before_s else "shorter"
