"""The findings of an audit as text: a table of them, what no finding is about, and the answer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analysis.findings import AuditFinding, AuditFindings, Notice
from analysis.report.finding_words import (
    count_findings,
    format_place,
    name_finding,
)
from analysis.report.table import Column, Row, Table, shorten
from analysis.report.worst_cause import choose_worst, describe_worst
from analysis.stats import formats

MOST_SHOWN = 10
"""Errors and warnings, without -v; findings.json has all."""
MOST_OF_CODE = 2
"""Findings of one code that are for information, without -v."""
OF_BLOCKS = ("UNTIMED", "DELAYED")
"""Notices about the seconds of blocks."""
MANY = ("UNASKED",)
"""Notices of which there may be one a route: they are counted."""
COLUMNS = (
    Column("findings", is_text=True, width=26),
    Column("what happens", is_text=True, width=25),
    Column("requests"),
    Column("seconds", format=formats.decimal, width=7),
    Column("longest ms", format=formats.milliseconds, width=10),
)


def build_findings_table(found: Sequence[AuditFinding], width: int | None) -> Table:
    """A row for each finding. width: of a terminal, where a long name has a line of its own.
    Without one the names' column is as wide as the longest."""
    rows = [
        Row(
            shorten(format_place(each)),
            [name_finding(each), each.count, each.seconds, each.longest_ms],
            badges=((each.severity, each.severity),),
        )
        for each in found
    ]
    longest = max((len(each.name) for each in rows if width is None), default=0)
    names = replace(COLUMNS[0], width=max(COLUMNS[0].width, longest))
    return Table((names, *COLUMNS[1:]), rows)


def split_grave(found: AuditFindings) -> tuple[list[AuditFinding], list[AuditFinding]]:
    """Errors and warnings; and what is for information. The worst of each first."""
    grave = [each for each in found.findings if each.severity != "info"]
    return grave, [each for each in found.findings if each.severity == "info"]


def find_worst(found: AuditFindings) -> AuditFinding | None:
    """That which the answer names."""
    grave, _ = split_grave(found)
    return choose_worst(grave) if grave else None


def take_turns(found: Sequence[AuditFinding]) -> list[int]:
    """Their places: the first of each kind before the second of any."""
    codes, turns = Counter[str](), list[int]()
    for each in found:
        turns.append(codes[each.code])
        codes[each.code] += 1
    return sorted(range(len(turns)), key=lambda place: (turns[place], place))


def choose_shown(found: AuditFindings, verbose: bool) -> list[AuditFinding]:
    """What is for information comes last."""
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
    """One line, or none. notices: so many are hidden."""
    more = list[str]()
    for kind, every in zip(("", " for information"), split_grave(found), strict=True):
        hidden = sum(each not in shown for each in every)
        if hidden:
            more.append(f"{hidden} more{kind}")
    if notices:
        more.append(formats.count_things(notices, "notice"))
    if more:
        yield f"and {', '.join(more)}: see -v and report.html"


def list_notices(found: AuditFindings) -> Iterator[Notice]:
    """Without those of blocks where none is found."""
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
    """What the audit came to."""
    scope = found.scope
    requests = formats.count_things(scope.requests, "request")
    routes = formats.count_things(len(scope.routes), "route")
    looked = f"{requests} of {routes} in {scope.span_s:,.0f} s"
    grave, minor = split_grave(found)
    blind = "" if scope.processes else " It cannot say what blocks the event loop, or what waits."
    if not found.findings:
        return f"The audit sent {looked}.{blind}" if blind else write_all_is_well(found, looked)
    if not grave:
        findings, verb = formats.count_things(len(minor), "finding"), "are" if minor[1:] else "is"
        more = f"{findings} {verb} for information"
        return f"No error and no warning in {looked}; {more}.{blind}"
    counted = count_findings(grave)
    more = ""
    if minor:
        more = f"; {len(minor)} more {'are' if minor[1:] else 'is'} for information"
    worst = f"The worst: {describe_worst(grave)}."
    return f"{counted[0].upper()}{counted[1:]}{more}. In {looked}.{blind} {worst}"


def write_all_is_well(found: AuditFindings, looked: str) -> str:
    waits = ", and no pool of threads that makes requests wait" if found.scope.sees_waits else ""
    return (
        f"The audit found no code that blocks the event loop for 20 ms or more{waits}, in {looked}."
    )
