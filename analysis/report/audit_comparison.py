"""Two audits side by side: which findings are new, gone, worse and better."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import get_args

from analysis.findings import AuditEvidence
from analysis.report.finding_words import format_route, name_finding
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.summary.audit_changes import Change, SiteChange, SiteFigures
from records.audit import AuditRecord

COLUMNS = (
    Column("findings", is_text=True, width=37),
    Column("median", "A, ms", formats.milliseconds, width=7),
    Column("median", "B, ms", formats.milliseconds, width=7),
    Column("longest", "A, ms", formats.milliseconds, width=7),
    Column("longest", "B, ms", formats.milliseconds, width=7),
    Column("B is", is_text=True, width=9),
)
NOTE = (
    "Worse: both the median and the longest time per request grew at least 1.5 times; better: both "
    "shrank as much. New route: A sent it no request. Not asked: B sent the route no request. "
    "Not seen: A or B could not detect it, or most of its requests to the route failed."
)


def build_changes_table(changes: Sequence[SiteChange]) -> Table:
    """Build a row for each place in either audit."""
    rows = []
    for each in changes:
        found, sides = each.found, (each.before, each.after)
        name = f"{found.file or found.call or 'a library'} {found.function or ''}".rstrip()
        figures = [
            None if side is None else getattr(side, key)
            for key in ("median_ms", "longest_ms")
            for side in sides
        ]
        heading = f"{format_route(found)}: {name_finding(found)}"
        rows += [Row(heading), Row(name, [*figures, each.change], extra=True)]
    return Table(COLUMNS, rows, notes=[NOTE] if rows else [])


def count_changes(changes: Sequence[SiteChange]) -> str:
    """Summarize the changes in one line."""
    if not changes:
        return "Neither audit has a finding."
    counts = Counter(each.change for each in changes)
    named = [f"{counts[each]} {each}" for each in get_args(Change) if counts[each]]
    return f"Findings of B compared with A: {', '.join(named)}."


def export_changes(changes: Sequence[SiteChange]) -> list[dict[str, object]]:
    return [
        {
            **each.site._asdict(),
            "change": each.change,
            "before": export_figures(each.before),
            "after": export_figures(each.after),
        }
        for each in changes
    ]


def export_figures(figures: SiteFigures | None) -> Mapping[str, object] | None:
    return None if figures is None else asdict(figures)


def list_audit_differences(a: AuditEvidence, b: AuditEvidence) -> Iterator[str]:
    """Yield differences other than code: another load or machine changes times too."""
    sides = [describe_conditions(each.record) for each in (a, b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        before, after = (side.get(name, "none") for side in sides)
        if before != after:
            yield f"{name}: {before} in A, {after} in B"


def describe_conditions(record: AuditRecord) -> Mapping[str, str]:
    found: dict[str, set[str]] = {}
    for each in record.processes:
        known = {"Python": each.python, "event loop": each.loop, "server": each.server}
        for name, value in (known | each.versions).items():
            found.setdefault(name, set()).add(value)
    return {
        "users": f"{max((each.users for each in record.phases), default=0)}",
        "processes": f"{len(record.processes)}",
        **{name: ", ".join(sorted(values)) for name, values in found.items()},
    }
