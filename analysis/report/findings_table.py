"""The findings of an audit for a terminal: a table, a sentence for each, and the answer last."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from analysis.findings import AuditFinding, AuditFindings, Notice
from analysis.report.finding_words import (
    count_findings,
    format_place,
    format_route,
    name_finding,
)
from analysis.report.harm_table import render_matrix
from analysis.report.table import WIDTH, Column, Row, Table, render_headings, render_rows, wrap_note
from analysis.report.trial_lines import describe_trials
from analysis.report.worst_cause import describe_worst
from analysis.stats import formats

MOST_SHOWN = 10
"""Errors and warnings, without -v; findings.json has all."""
MOST_OF_CODE = 2
"""Findings of one code that are for information, without -v."""
NO_BREAK = "\N{NO-BREAK SPACE}"
BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(?:µ|m)?s\b)")
OF_BLOCKS = ("UNTIMED", "DELAYED")
"""Notices about the seconds of blocks."""
MANY = ("UNASKED",)
"""Notices of which there may be one a route: they are counted."""
COLUMNS = (
    Column("findings", is_text=True, width=28),
    Column("what happens", is_text=True, width=25),
    Column("requests"),
    Column("seconds", format=formats.decimal, width=7),
    Column("longest", "ms", formats.milliseconds, width=7),
)


def build_findings_table(found: Sequence[AuditFinding]) -> Table:
    """A row for each finding."""
    rows = [
        Row(
            format_place(each),
            [name_finding(each), each.count, each.seconds, each.longest_ms],
            badges=((each.severity, each.severity),),
        )
        for each in found
    ]
    return Table(COLUMNS, rows)


def split_grave(found: AuditFindings) -> tuple[list[AuditFinding], list[AuditFinding]]:
    """Errors and warnings; and what is for information. The worst of each first."""
    grave = [each for each in found.findings if each.severity != "info"]
    return grave, [each for each in found.findings if each.severity == "info"]


def choose_shown(found: AuditFindings, verbose: bool) -> list[AuditFinding]:
    """What is for information comes last."""
    grave, minor = split_grave(found)
    if verbose:
        return grave + minor
    codes, shown = Counter[str](), grave[:MOST_SHOWN]
    for each in minor:
        codes[each.code] += 1
        if codes[each.code] <= MOST_OF_CODE:
            shown.append(each)
    return shown


def render_findings(found: AuditFindings, width: int | None, verbose: bool = False) -> list[str]:
    """Lines; sentences fit a terminal. verbose: every finding and notice, stacks, and who lost time
    to whom. Advice that several findings have in common is at the first of them. The answer is
    last."""
    shown = choose_shown(found, verbose)
    table = build_findings_table(shown)
    lines, topics = render_headings(table) if shown else [], set[str]()
    for each, row in zip(shown, table.rows, strict=True):
        lines += render_rows(Table(table.columns, [row]), width)
        advice = [text for topic, text in each.advice.items() if topic not in topics]
        lines += wrap_whole(" ".join((f"{format_route(each)}: {each.facts}", *advice)), "  ")
        lines += render_stack(each) if verbose else []
        topics.update(each.advice)
    lines += count_hidden(found, shown)
    notices = found.notices if verbose else tuple(list_notices(found))
    notes = [line for note in write_notices(notices, verbose) for line in wrap_note(note)]
    matrix = render_matrix(found.matrix) if verbose else []
    trials = [line for each in describe_trials(found.trials) for line in wrap_whole(each)]
    for part in (matrix, notes, trials, wrap_whole(write_answer(found))):
        lines += ["", *part] if lines and part else part
    return lines


def wrap_whole(text: str, indent: str = "") -> list[str]:
    """As wrap_note; a route, a file name, and a number with its unit are not divided."""
    lines = wrap(
        BEFORE_UNIT.sub(NO_BREAK, text), WIDTH, initial_indent=indent,
        subsequent_indent=f"{indent}  ", break_on_hyphens=False,
    )  # fmt: skip
    return [each.replace(NO_BREAK, " ") for each in lines]


def count_hidden(found: AuditFindings, shown: Sequence[AuditFinding]) -> Iterator[str]:
    """By severity."""
    for kind, every in zip(("", " for information"), split_grave(found), strict=True):
        hidden = sum(each not in shown for each in every)
        if hidden:
            yield f"and {hidden} more{kind}, with -v and in findings.json"


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


def render_stack(found: AuditFinding) -> Iterator[str]:
    """Innermost first."""
    for each in found.stack:
        yield f"    {each.file}:{each.line} {each.function}"


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
