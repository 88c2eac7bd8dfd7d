"""The findings of an audit as text: their table, the notices, and the answer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analysis.findings import AuditFinding, AuditFindings, Notice
from analysis.findings.base import AuditScope
from analysis.report.finding_words import (
    count_findings,
    format_place,
    format_route,
    name_finding,
)
from analysis.report.table import Column, Row, Table, shorten
from analysis.report.worst_cause import choose_worst, describe_worst
from analysis.stats import formats

MOST_SHOWN = 10
"""Errors and warnings shown without -v; findings.json has all."""
MOST_OF_CODE = 2
"""Informational findings of one code shown without -v."""
OF_BLOCKS = ("UNTIMED", "DELAYED")
"""Codes of notices about the duration of blocks."""
MANY = ("UNASKED",)
"""Codes of notices that may come once per route: they are counted."""
MAY_MISS = " Blocks of the event loop may be missing: another thread computed meanwhile."
COLUMNS = (
    Column("findings", is_text=True, width=26),
    Column("what happens", is_text=True, width=25),
    Column("requests"),
    Column("seconds", format=formats.decimal, width=7),
    Column("longest ms", format=formats.milliseconds, width=10),
)


def build_findings_table(found: Sequence[AuditFinding], width: int | None) -> Table:
    """Build a row for each finding. width: the terminal's; a long name then takes its own line.
    Without it, the first column is as wide as the longest name."""
    named = Counter((format_place(each), name_finding(each)) for each in found)
    rows = [
        Row(
            shorten(name_row(each, named[format_place(each), name_finding(each)])),
            [name_finding(each), each.count, each.seconds, each.longest_ms],
            badges=((each.severity, each.severity),),
        )
        for each in found
    ]
    longest = max((len(each.name) for each in rows if width is None), default=0)
    names = replace(COLUMNS[0], width=max(COLUMNS[0].width, longest))
    return Table((names, *COLUMNS[1:]), rows)


def name_row(found: AuditFinding, alike: int) -> str:
    """Name the place; with its route if several findings are alike."""
    where = found.route or format_route(found)  # without the phase: most names fit one line
    return format_place(found) + (f", {where}" if alike > 1 else "")


def split_grave(found: AuditFindings) -> tuple[list[AuditFinding], list[AuditFinding]]:
    """Split errors and warnings from informational findings, keeping the worst first."""
    grave = [each for each in found.findings if each.severity != "info"]
    return grave, [each for each in found.findings if each.severity == "info"]


def find_worst(found: AuditFindings) -> AuditFinding | None:
    """Return the finding that the answer names as the worst."""
    grave, _ = split_grave(found)
    return choose_worst(grave) if grave else None


def take_turns(found: Sequence[AuditFinding]) -> list[int]:
    """Return positions, with the first finding of every code before the second of any."""
    codes, turns = Counter[str](), list[int]()
    for each in found:
        turns.append(codes[each.code])
        codes[each.code] += 1
    return sorted(range(len(turns)), key=lambda place: (turns[place], place))


def choose_shown(found: AuditFindings, verbose: bool) -> list[AuditFinding]:
    """Choose the findings to show, informational ones last."""
    grave, minor = split_grave(found)
    if verbose:
        return grave + minor
    codes = Counter[str]()
    shown = [grave[place] for place in sorted(take_turns(grave)[:MOST_SHOWN])]
    for each in minor:
        codes[each.code] += 1
        if codes[each.code] <= MOST_OF_CODE:
            shown.append(each)
    return shown


def count_hidden(
    found: AuditFindings, shown: Sequence[AuditFinding], notices: int
) -> Iterator[str]:
    """Yield one line, or none. notices: the number of hidden ones."""
    more = list[str]()
    for kind, every in zip(("", " informational"), split_grave(found), strict=True):
        hidden = sum(each not in shown for each in every)
        if hidden:
            more.append(f"{hidden} more{kind}")
    if notices:
        more.append(formats.count_things(notices, "notice"))
    if more:
        yield f"and {', '.join(more)}: see -v and report.html"


def list_notices(found: AuditFindings) -> Iterator[Notice]:
    """Leave out notices about blocks if no block was found."""
    is_blocked = any(each.code == "LOOP_BLOCKED" for each in found.findings)
    yield from (each for each in found.notices if is_blocked or each.code not in OF_BLOCKS)


def write_notices(notices: tuple[Notice, ...], verbose: bool) -> Iterator[str]:
    for each in notices:
        if verbose or each.code not in MANY:
            yield each.message
    for code in () if verbose else MANY:
        mine = [each for each in notices if each.code == code]
        if mine:
            more = f" {len(mine) - 1} more like this: see -v." if mine[1:] else ""
            yield f"{mine[0].message}{more}"


def write_answer(found: AuditFindings) -> str:
    """Summarize the findings, and name the worst."""
    scope = found.scope
    requests = formats.count_things(scope.requests, "request")
    routes = formats.count_things(len(scope.routes), "route")
    looked = f"{requests} of {routes} in {scope.span_s:,.0f} s"
    grave, minor = split_grave(found)
    blind = "" if scope.processes else " It cannot show what blocks the event loop or waits."
    blind += MAY_MISS * scope.hides_blocks
    is_all_clear = not blind and len(scope.unchecked) < len(scope.routes)
    blind += write_unchecked(scope)
    if not found.findings:
        said = write_all_is_well(found, looked) if is_all_clear else f"Audited: {looked}."
        return f"{said}{blind}"
    if not grave:
        findings, verb = formats.count_things(len(minor), "finding"), "are" if minor[1:] else "is"
        more = f"{findings} {verb} informational"
        return f"No errors and no warnings in {looked}; {more}.{blind}"
    counted = count_findings(grave)
    more = ""
    if minor:
        more = f"; {len(minor)} more {'are' if minor[1:] else 'is'} informational"
    worst = f"The worst: {describe_worst(grave)}."
    return f"{counted[0].upper()}{counted[1:]}{more}. Audited: {looked}.{blind} {worst}"


def write_unchecked(scope: AuditScope) -> str:
    """Write a space and a sentence; nothing if every route is checked."""
    if not scope.unchecked:
        return ""
    requests = formats.count_things(sum(each.requests for each in scope.unchecked), "request")
    failed = f"{sum(each.failed for each in scope.unchecked):,} of {requests} failed"
    causes = ", ".join(dict.fromkeys(each.by for each in scope.unchecked))
    return f" The audit says little about {count_unchecked(scope)}: {failed} ({causes})."


def count_unchecked(scope: AuditScope) -> str:
    routes = formats.count_things(len(scope.routes), "route")
    return f"{len(scope.unchecked)} of {routes}"


def write_all_is_well(found: AuditFindings, looked: str) -> str:
    scope = found.scope
    seen = (
        ("no code that blocks the event loop for 20 ms or more", scope.sees_blocks),
        ("no thread pool that makes requests wait", scope.sees_waits),
    )
    said = ", and ".join(text for text, is_seen in seen if is_seen)
    if not said:
        return f"The audit recorded neither blocks nor waits, in {looked}."
    return f"The audit found {said}, in {looked}."
