"""summary.md of an audit: the answer first, for a pull request or a job summary."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.baseline import Baseline
from analysis.findings.finding_threshold import FindingOutcome
from analysis.findings.remedies import Cure
from analysis.report.audit_outcomes import describe_finding_outcome
from analysis.report.audit_overview import build_overview_table
from analysis.report.finding_words import format_place, format_route, name_finding
from analysis.report.findings_table import (
    choose_shown,
    count_unchecked,
    list_notices,
    write_answer,
    write_notices,
)
from analysis.report.remedy_words import (
    describe_cure,
    describe_predicted,
    format_cure_place,
    list_changes,
)
from analysis.report.table import Column, Row, Table, escape_markdown, render_markdown
from analysis.report.trial_lines import describe_trials
from analysis.stats import formats

ESCAPED_CODE = re.compile(r"(?<!`)\\`([^`]+?)\\`(?!\\`)")
"""Code in text that is escaped already. Another backtick next to it would make a longer fence."""
ESCAPED = re.compile(r"\\(.)|\N{ZERO WIDTH NON-JOINER}")
"""What escaping has added."""
MOST_ROWS = 25
MOST_DETAILED = 5
"""Findings shown with their full text."""
MOST_LINES = 20
"""Lines of a code change."""
MOST_NOTES = 10
MOST_IN_NAME, MOST_IN_SENTENCE = 120, 1000
"""In characters: a route can be as long as a request line."""
COLUMNS = (
    Column("severity", is_text=True),
    Column("finding", is_text=True),
    Column("what happens", is_text=True),
    Column("route", is_text=True),
    Column("requests"),
    Column("seconds", format=formats.decimal),
    Column("longest", "ms", formats.milliseconds),
)


def render_audit_markdown(
    found: AuditFindings,
    evidence: AuditEvidence,
    baseline: Baseline | None,
    outcomes: Sequence[FindingOutcome],
) -> str:
    """Render the new findings first. The length is bounded: a comment holds 65,536 characters."""
    new = () if baseline is None else baseline.find_new(found.findings)
    shown = sorted(choose_shown(found, verbose=True), key=lambda each: each not in new)
    parts = [
        f"### {write_heading(found, new if baseline else None)}",
        "\n".join(f"- {write_prose(describe_finding_outcome(each))}" for each in outcomes),
        write_prose(write_answer(found)),
        render_rows(build_markdown_table(shown, new)) if shown else "",
        *describe_findings(shown[:MOST_DETAILED]),
        "\n".join(f"- {write_prose(each)}" for each in describe_trials(found.trials)),
        fold("Latency", render_rows(build_overview_table(evidence))),
        "\n".join(f"- {write_prose(each)}" for each in list_notes(found)),
    ]
    return "\n\n".join(each.strip() for each in parts if each.strip()) + "\n"


def write_heading(found: AuditFindings, new: Sequence[AuditFinding] | None) -> str:
    """new: None without a baseline."""
    counts = Counter(each.severity for each in found.findings)
    named = [
        formats.count_things(counts[each], each) for each in ("error", "warning") if counts[each]
    ]
    named += [f"{counts['info']:,} informational"] if counts["info"] else []
    said = ", ".join(named) or "no findings"
    if found.scope.unchecked:
        said += f"; most requests of {count_unchecked(found.scope)} failed"
    return f"study audit: {said}" + ("" if new is None else f"; {len(new):,} new")


def build_markdown_table(shown: Sequence[AuditFinding], new: Sequence[AuditFinding]) -> Table:
    rows = []
    for each in shown:
        place = f"{format_place(each)} (new)" if each in new else format_place(each)
        figures = each.count, each.seconds, each.longest_ms
        cells = [cut(place), name_finding(each), cut(format_route(each)), *figures]
        rows.append(Row(each.severity, cells))
    return Table(COLUMNS, rows)


def describe_findings(shown: Sequence[AuditFinding]) -> Iterator[str]:
    """Yield each finding's text. Shared advice or a shared change appears once, at the first
    finding; a change replaces advice."""
    topics, cures = set[str](), set[Cure | None]()
    for each in shown:
        advice = {} if each.cure is not None else each.advice
        new = [text for topic, text in advice.items() if topic not in topics]
        topics.update(advice)
        place = f"**{escape(cut(format_place(each)))}**, {escape(cut(format_route(each)))}"
        yield f"{place}: {write_prose(' '.join((each.facts, *new)))}"
        if each.cure not in cures:
            yield from describe_cure_in_markdown(each)
            cures.add(each.cure)
        if each.predicted is not None and each.predicted.reason is None:
            yield write_prose(describe_predicted(each.predicted))


def describe_cure_in_markdown(found: AuditFinding) -> Iterator[str]:
    """Yield the reason, and the change as a diff; nothing without a change."""
    cure = found.cure
    if cure is None:
        return
    yield write_prose(describe_cure(found))
    lines = [cut(f"{sign} {line}".rstrip()) for sign, line in list_changes(cure)[:MOST_LINES]]
    if lines:
        place = format_cure_place(cure)
        head = [f"@@ {cut(place)} @@"] if place else []
        fence = "`" * (1 + max(map(len, ("``", *re.findall("`+", "".join(lines))))))
        yield "\n".join([f"{fence}diff", *head, *lines, fence])


def render_rows(table: Table) -> str:
    """Render the first MOST_ROWS rows."""
    rows = [replace(each, name=cut(each.name)) for each in table.rows[:MOST_ROWS]]
    notes = (*count_more(len(table.rows) - MOST_ROWS), *table.notes)
    return render_markdown(replace(table, rows=rows, notes=notes))


def count_more(hidden: int) -> list[str]:
    return [f"and {hidden:,} more in report.html"] if hidden > 0 else []


def fold(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text.strip()}\n\n</details>"


def list_notes(found: AuditFindings) -> list[str]:
    notes = list(write_notices(tuple(list_notices(found)), verbose=False))
    return [*notes[:MOST_NOTES], *count_more(len(notes) - MOST_NOTES)]


def write_prose(text: str) -> str:
    """Escape all but the text between backticks, which becomes code."""
    return ESCAPED_CODE.sub(lambda found: "`" + ESCAPED.sub(r"\1", found[1]) + "`", escape(text))


def escape(text: str) -> str:
    """Escape as escape_markdown does, and keep a route such as /@name from mentioning a user."""
    escaped = escape_markdown(cut(text, MOST_IN_SENTENCE))
    return re.sub(r"@(?=\w)", "@\N{ZERO WIDTH NON-JOINER}", escaped)


def cut(text: str, most: int = MOST_IN_NAME) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
