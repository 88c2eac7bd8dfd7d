"""The findings of an audit for a terminal: a table, a sentence for each, and the answer last."""

from collections.abc import Iterator

from analysis.findings import AuditFinding, AuditFindings, Notice
from analysis.report.table import Column, Row, Table, render_headings, render_rows, wrap_note
from analysis.stats import formats

MOST_SHOWN = 10
"""Of the findings, without -v; findings.json has all."""
MANY = ("UNASKED",)
"""Notices of which there may be one a route: they are counted."""
COLUMNS = (
    Column("blocks the event loop", is_text=True, width=30),
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
            badges=((each.severity, each.severity),),
        )
        for each in found.findings
    ]
    return Table(COLUMNS, rows)


def render_findings(found: AuditFindings, width: int | None, verbose: bool = False) -> list[str]:
    """Lines; sentences fit a terminal. verbose: every finding and notice, and stacks. The answer is
    last."""
    table = build_findings_table(found)
    shown = found.findings if verbose else found.findings[:MOST_SHOWN]
    lines = render_headings(table) if shown else []
    for each, row in zip(shown, table.rows, strict=False):
        lines += render_rows(Table(table.columns, [row]), width)
        lines += wrap_note(f"{format_route(each)}: {each.message}", "  ")
        lines += render_stack(each) if verbose else []
    if len(found.findings) > len(shown):
        lines.append(f"and {len(found.findings) - len(shown)} more, with -v and in findings.json")
    notes = [line for note in write_notices(found.notices, verbose) for line in wrap_note(note)]
    for part in (notes, wrap_note(write_answer(found))):
        lines += ["", *part] if lines and part else part
    return lines


def write_notices(notices: tuple[Notice, ...], verbose: bool) -> Iterator[str]:
    for each in notices:
        if verbose or each.code not in MANY:
            yield each.message
    for code in () if verbose else MANY:
        mine = [each for each in notices if each.code == code]
        if mine:
            more = f" {len(mine) - 1} more like this: see -v." if mine[1:] else ""
            yield f"{mine[0].message}{more}"


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
    """What the audit came to."""
    scope = found.scope
    requests, routes = count("request", scope.requests), count("route", len(scope.routes))
    looked = f"{requests} of {routes} in {scope.span_s:,.0f} s"
    if not scope.processes:
        return f"The audit sent {looked}. It cannot say what blocks the event loop."
    if not found.findings:
        return f"The audit found no code that blocks the event loop for 20 ms or more, in {looked}."
    worst = found.findings[0]
    places = f"{count('place', len(found.findings))} {'block' if found.findings[1:] else 'blocks'}"
    seconds = sum(each.seconds or 0.0 for each in found.findings)
    return (
        f"{places} the event loop, for {seconds:,.1f} s in all, in {looked}. The worst: "
        f"{format_place(worst)}, {format_route(worst)}, {worst.seconds or 0.0:,.1f} s."
    )


def count(noun: str, number: int) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
