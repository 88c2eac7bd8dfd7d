"""The findings of an audit for a terminal: a table, a sentence for each, and the answer last."""

from collections.abc import Iterator, Sequence

from analysis.findings import AuditFinding, AuditFindings
from analysis.report.table import Column, Row, Table, render_headings, render_rows, wrap_note
from analysis.stats import formats

MOST_SHOWN = 10
"""Without -v; findings.json has all."""
COLUMNS = (
    Column("place", is_text=True, width=30),
    Column("cause", is_text=True, width=11),
    Column("requests"),
    Column("seconds", format=formats.decimal, width=7),
    Column("longest", "ms", formats.milliseconds, width=7),
    Column("of the", "time", formats.percent, width=6),
)


def build_findings_table(found: AuditFindings) -> Table:
    """A row for each finding, the worst first."""
    rows = [
        Row(
            format_place(each),
            [each.cause, each.count, each.seconds, each.longest_ms, each.share],
            badges=((each.severity, each.code),),
        )
        for each in found.findings
    ]
    return Table(COLUMNS, rows, "What blocks the event loop" if rows else "")


def render_findings(found: AuditFindings, width: int | None, verbose: bool = False) -> list[str]:
    """Lines; those that are sentences fit a terminal. The answer is the last one."""
    table = build_findings_table(found)
    shown = found.findings if verbose else found.findings[:MOST_SHOWN]
    lines = render_headings(table) if shown else []
    for each, row in zip(shown, table.rows, strict=False):
        lines += render_rows(Table(table.columns, [row]), width)
        lines += wrap_note(f"{format_route(each)}: {each.message}", "  ")
        lines += render_stack(each) if verbose else []
    if len(found.findings) > len(shown):
        lines.append(f"and {len(found.findings) - len(shown)} more, in findings.json and with -v")
    notes = [each.message for each in found.notices] + list(found.looked_at)
    lines += ["", *(line for note in notes for line in wrap_note(note))] if notes else []
    return [*lines, *(("",) if lines else ()), *wrap_note(write_answer(found))]


def format_place(found: AuditFinding) -> str:
    if found.file is None:
        return found.call or "code of a library"
    return f"{found.file}:{found.line} {found.function}"


def format_route(found: AuditFinding) -> str:
    """Route and phase, as far as they are known."""
    route = found.route or ("no request" if found.phase == "startup" else "unknown route")
    return f"{route} ({found.phase})" if found.phase else route


def render_stack(found: AuditFinding) -> Iterator[str]:
    """Innermost first."""
    for each in found.stack:
        yield f"    {each.file}:{each.line} {each.function}"


def write_answer(found: AuditFindings) -> str:
    """One sentence: what the audit came to."""
    if not found.findings:
        return (
            "No code was found that blocks the event loop for 20 ms or more, in what was asked: "
            f"it was blocked for {found.blocked_s:,.1f} s in all."
        )
    worst = found.findings[0]
    count = len(found.findings)
    places = "1 place blocks" if count == 1 else f"{count} places block"
    return (
        f"{places} the event loop, for {sum_seconds(found.findings):,.1f} s in all. The worst: "
        f"{format_place(worst)}, {format_route(worst)}, {worst.seconds or 0.0:,.1f} s in "
        f"{formats.whole(worst.count)} requests."
    )


def sum_seconds(found: Sequence[AuditFinding]) -> float:
    return sum(each.seconds or 0.0 for each in found)
